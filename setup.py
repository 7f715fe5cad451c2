"""How fmbench-lib is packaged. The settings of tools are in pyproject.toml.

FMBENCH_REPOSITORY is the address of the project's files, such as `https://host/owner/name/blob/main`, when a release is
built: the README's links to files lead there, as a package index has none of them.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
SHIPPED = ("notebooks", "configs", "cloudformation", "pricing.yml")


class BuildWithShippedFiles(build_py):
    """Copy the notebooks, configs and prices into the package, for installations without a checkout."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return  # a checkout has them
        target = Path(self.build_lib) / "fmbench_lib" / "shipped"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in SHIPPED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, target / name, ignore=shutil.ignore_patterns(".*", "__pycache__"))
            else:
                shutil.copy2(source, target / name)


def readme(repository: str) -> str:
    """The README as a package index shows it: links to files absolute, or without an address only their text."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    link = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)\s]+)\)")
    if not repository:
        return link.sub(lambda match: "" if match[1] else match[2], text)
    files = repository.rstrip("/")
    pictures = files.replace("/blob/", "/raw/")
    return link.sub(lambda match: f"{match[1]}[{match[2]}]({pictures if match[1] else files}/{match[3]})", text)


version = re.search(r'__version__ = "(.+)"', (ROOT / "fmbench_lib" / "__init__.py").read_text())
assert version is not None

LOCAL = ["xllamacpp==2026.10.11549"]
NOTEBOOK = ["jupyterlab>=4.4,<5"]
SAGEMAKER = ["sagemaker>=2.257,<3"]  # its third version has no JumpStart catalogue in this form
EC2 = ["docker>=7.1,<8", "nvidia-ml-py>=12.560"]
EKS = ["kubernetes>=34,<38"]
TRANSFORMERS = [
    "transformers>=4.57,<6",
    # transformers imports these to read the two older forms of a vocabulary: SentencePiece's and tiktoken's
    "protobuf>=4.25,<8",
    "sentencepiece>=0.2,<1",
    "tiktoken>=0.9,<1",
]
DATASETS = ["datasets>=4,<6"]
RAY = ["ray[client]>=2.50,<3"]  # its client is for ray:// addresses
OPENTELEMETRY = ["opentelemetry-exporter-otlp-proto-http>=1.39,<2"]
# Its command line is called, and another version may speak another one. Not in `dev`: it holds click below 8.2, which
# check-jsonschema does not work with.
SKYPILOT = ["skypilot[aws]>=0.14,<0.15"]
MLFLOW = ["mlflow-skinny>=3.5,<4"]
EVALUATION = ["jsonschema>=4.25,<5", "rapidfuzz>=3.14,<4", "rouge-score>=0.1.2,<0.2", "sacrebleu>=2.5,<3"]
DEV = [
    "axe-playwright-python>=0.1.8,<0.2",
    "build>=1.3,<2",
    "check-jsonschema>=0.37,<1",
    "cfn-lint>=1.40,<2",
    "hypothesis>=6.140,<7",
    "mkdocs-material>=9.7,<10",
    "moto[s3,sagemaker,server]==5.2.5",
    "mypy==2.4.1",
    "pandas-stubs==3.1.0.261029",
    "playwright>=1.55,<2",
    "pyte>=0.8.2,<0.9",
    "pytest>=9,<10",
    "pytest-xdist>=3.8,<4",
    "ruff==0.17.6",
    "scipy>=1.16,<2",
    "types-docker",
    "types-psutil",
    "types-PyYAML",
]

setup(
    name="fmbench-lib",
    version=version.group(1),
    description="Which model, on which serving stack and instance, at which load, gives the latency I need "
    "for the least money?",
    long_description=readme(os.environ.get("FMBENCH_REPOSITORY", "")),
    long_description_content_type="text/markdown",
    license="MIT-0",
    license_files=["LICENSE"],
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["fmbench_lib", "fmbench_lib.*"]),
    package_data={"fmbench_lib": ["py.typed", "config/reference.md", "report/html/assets/*"]},
    include_package_data=True,
    cmdclass={"build_py": BuildWithShippedFiles},
    install_requires=[
        "argcomplete>=3.6,<4",
        "boto3>=1.40,<2",
        "duckdb>=2,<3",
        "huggingface-hub>=0.34,<2",
        "ipykernel>=7,<8",
        "ipython>=9,<10",
        "jinja2>=3.1,<4",
        "jupyter-client>=8.6,<9",
        "matplotlib>=3.10,<4",
        "nbclient>=0.11,<0.12",
        "nbformat>=5.10,<6",
        "numpy>=2.3,<3",
        "pandas>=3,<4",
        "papermill==2.7.0",
        "pillow>=11,<13",
        "prometheus-client>=0.22,<1",
        "psutil>=7,<8",
        "pyarrow>=22",
        "pydantic>=2.12,<3",
        "pyyaml>=6.0.2,<7",
        "rich>=14.1,<16",
        "scrapbook==0.5.0",
        "seaborn>=0.13.2,<0.14",
        "six>=1.16,<2",  # scrapbook imports it without declaring it
        "tokenizers>=0.22,<1",
    ],
    extras_require={
        "local": LOCAL,
        "notebook": NOTEBOOK,
        "sagemaker": SAGEMAKER,
        "jumpstart": SAGEMAKER,  # the name it had before
        "bedrock": [],  # boto3 is in the base: kept so that existing install commands work
        "ec2": EC2,
        "eks": EKS,
        "transformers": TRANSFORMERS,
        "datasets": DATASETS,
        "evaluation": EVALUATION,
        "opentelemetry": OPENTELEMETRY,
        "ray": RAY,
        "mlflow": MLFLOW,
        "skypilot": SKYPILOT,
        "all": LOCAL
        + NOTEBOOK
        + SAGEMAKER
        + EC2
        + EKS
        + TRANSFORMERS
        + DATASETS
        + EVALUATION
        + OPENTELEMETRY
        + MLFLOW
        + RAY
        + SKYPILOT,
        "dev": LOCAL + EC2 + EKS + EVALUATION + OPENTELEMETRY + MLFLOW + DEV,
    },
    entry_points={"console_scripts": ["fmbench = fmbench_lib.cli.commands:main"]},
)
