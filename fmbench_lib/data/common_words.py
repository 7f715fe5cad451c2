"""Common English words, which synthetic prompts are made of: with most tokenizers each of them is one token."""

from __future__ import annotations

_WORDS = """
able about above across action activity actor add after again against age agree air allow almost along already also
although always among ancient angry animal appear apple area arm around art article artist ask attention average
away baby back bad bag baker balance bank basket battery be beach bear beautiful beauty because bed before begin
behavior behind believe below beside best better between beyond big bird birth bitter blue board body bone book
border bottle bottom bowl box boy branch brave bread break brick bridge bright bring brother brown brush budget
build building business busy buy cable call calm camera campaign capital captain car card career carefully carry
case cat catch cause cell center century certain certainly chain chair challenge chance change chapter character
charge chart cheese chef chemical chicken child choice choose church circle circuit citizen city class clean clear
clearly clerk clever climate climb clock close cloud coach coast coffee coin cold collect collection college come
comfort command comment committee common community company compare competition complex computer concept condition
conference connect connection consider contact continue contract control conversation cook cool copper corn corner
cost cotton count country county couple course court cover cow create credit crisis crowd cry culture cup current
customer cut cycle dance dark data daughter day debate debt decide decision deep defense degree deliver demand
department describe design desire desk detail develop development device diet difference different difficult dinner
direction director dirty distance district division do doctor dog door doubt down draw dream dress drink drive
driver drop drum dry during duty early earth easy eat economic economy edge education effect effort election element
emotion employee empty end energy engine environment error especially even event ever evidence exactly example
exchange exercise exit expect experience expert explain eye face fact factor factory failure faith fall family
famous fancy far farmer fashion fast father fear feature fee feel feeling few fiction field figure file fill film
final finally find finger finish fire first fish flag flat flight floor flow flower fly focus follow food foot
football force foreign forest fork form foundation frame free freedom fresh friend front fruit fuel full function
fund future game gap garden gate gather gentle get gift girl give glance glass go goal gold golden good government
graph grass gray great green ground group grow growth guard guest guide guitar habit hair half hall hammer hand
happen happy hard hat have head health hear heart heat heavy height help here hero high highway hill history hold
hole holiday home honest honor hope horse hospital hot hotel hour house how however husband idea image impact
important improve include income increase indeed index industry information injury ink insect inside instance
instead institution instrument insurance intention interest investment involve iron island issue item jacket job
journey joy judge juice just justice keep key keyboard kind king kitchen knee knife know knowledge lab label labor
lack ladder lake lamp land language large last later laugh law lawn lawyer layer lazy lead leader leaf learn
learning leather leave leg legal lemon length lesson let letter level life light like likely limit line link lion
lip list listen little live load loan local location lock long look lose loss lot loud love lovely luck lunch
machine main major majority make man manage manner map march mark market marriage master match material matter maybe
mayor meal meaning measure meat medical medicine meet member memory message metal method middle milk mind minor
minute mirror mission mistake mixture mode model modern moment money month mood moon more morning most mother motor
mountain mouse move movement movie muscle museum music nail name narrow nation national natural nature near nearly
neck need network never new news newspaper next night noise north nose note now number nurse object observe occasion
ocean offer office officer official often oil old once only open opinion opportunity orange order organ organization
other others out outside over own owner pace page pain paint pair palace paper parent part party pass past patient
pattern pay peace peak pen pencil people percent perfect perform performance perhaps period person personal phase
philosophy phone photo phrase physical piano picture piece pig pilot pink place plain plan plane planet plant
plastic plate play player plenty pocket poem poet poetry point police policy polite political pool poor popular
population port position possible post pot potato pound power practice prepare present president pressure pretty
price pride prince principle private prize probably problem process produce product profit program progress project
promise proof property proposal protect proud prove provide public pull purple purpose push quality quarter queen
question quickly quiet quite race radio rain raise range rare rate rather raw reach reaction read ready real reality
realize really reason receive recent recently record red reduce region relationship remain remember rent repeat
report republic request require research resource respect response rest restaurant result return revenue review
reward rhythm rice rich ride right ring ripe rise risk river road rock role roof room root rope rough round route
row rubber rude rule run sad safe safety sailor salad salary sale salt same sample sand save say scale scene
schedule scheme school science scientist score screen screw sea search season secret section sector security see
seed seem sell send sense sentence sequence series serious serve service session set shape share sharp sheep shell
shelter shift ship shirt shock shoe shop shore short shoulder shout show shower side sign signal silence silk silver
simple simply since sing singer single sister sit site situation skill skin sky sleep slice slow slowly small smell
smile smooth snake snow so social society soft soil solution sometimes son song soon sound soup sour source south
space speak special spend spirit spoon sport spot spring square staff stage stamp stand standard star start state
statement station stay steel step stick still stock stomach stone stop store storm story strange strategy stream
street strength stress strong structure student study style subject success suddenly sugar suggest suit summer sun
support sure surface surprise survey sweet swim symbol sympathy system table tailor take talk tall task taste tax
taxi tea teach teacher team technology tell temperature tennis term test text theater then theory there thick thin
thing think though thought throat through throw ticket time title today together tone tongue too tool tooth top
topic total touch tour toward town track trade tradition traffic train treatment tree trial trip trouble truck true
trust truth try turn type ugly uncle under understand union unit university unless until up upon use usual usually
value variety various vehicle version very victory video view village vision visit voice volume vote wage wait walk
wall want warm warning wash watch water wave way weak wealth wear weather wedding week weekend weigh weight welcome
well west wet wheat wheel whenever wherever whether while whisper whole wide wife win wind window wine wing winner
winter wise wish within without witness wolf woman wonderful wood wooden wool word work worker world worry write
writer year yellow yet young youth zone
"""

COMMON_WORDS = tuple(_WORDS.split())
"""In alphabetical order, each once."""
