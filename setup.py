"""Installs llv, with its configs, tools and demo under `llv/.mim` as mm packages have them."""

import os
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
# What `llv::…` configs, `mmengine.hub` and inferencers look for in the installed package.
MIM = ('configs', 'tools', 'demo', 'model-index.yml', 'dataset-index.yml')


def read_version() -> str:
    text = (ROOT / 'llv' / 'version.py').read_text(encoding='utf-8')
    return re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE).group(1)


class BuildWithMim(build_py):
    """Adds `llv/.mim`: symbolic links in an editable install, copies in a wheel."""

    def run(self):
        super().run()
        sources = [ROOT / name for name in MIM if (ROOT / name).exists()]
        target = ROOT if self.editable_mode else Path(self.build_lib).resolve()
        mim = target / 'llv' / '.mim'
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir(parents=True)
        for source in sources:
            if self.editable_mode:
                (mim / source.name).symlink_to(os.path.relpath(source, mim))
            elif source.is_dir():
                ignore = shutil.ignore_patterns('__pycache__', '*.pyc')
                shutil.copytree(source, mim / source.name, ignore=ignore)
            else:
                shutil.copy2(source, mim / source.name)


setup(
    name='llv',
    version=read_version(),
    description='Low-light vision: enhancers that light the pictures of any OpenMMLab model',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8')
    if (ROOT / 'README.md').exists()
    else '',
    long_description_content_type='text/markdown',
    keywords=[
        'low-light image enhancement',
        'object detection',
        'semantic segmentation',
        'OpenMMLab',
        'PyTorch',
    ],
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Intended Audience :: Developers',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Multimedia :: Graphics',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Processing',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
    license='Apache-2.0',
    license_files=['LICENSE'],
    python_requires='>=3.10',
    packages=find_packages(include=['llv', 'llv.*']),
    package_data={
        'llv': [
            *(f'**/*.{suffix}' for suffix in ('txt', 'json', 'yml', 'csv', 'css')),
            'models/enhancers/weights/*.pth',
        ]
    },
    cmdclass={'build_py': BuildWithMim},
    # No OpenCV and no mm package here: each stack brings its own under the same import names,
    # and two of them would overwrite each other. `import llv` says what is missing.
    install_requires=['torch>=2.0', 'torchvision', 'numpy', 'pillow', 'tqdm'],
    extras_require={
        'onedl': [
            'onedl-mmengine>=0.10.12',
            'onedl-mmcv>=2.3.6',
            'onedl-mmdetection>=3.5.1',
            'onedl-mmsegmentation>=1.4.2',
            'pycocotools',
        ],
        'openmmlab': [
            'mmengine>=0.10.0',
            'mmcv>=2.0.0,<2.2.0',
            'mmdet>=3.1.0',
            'mmsegmentation>=1.1.0',
            'numpy<2',
            'pycocotools',
            'setuptools<81',
            'ftfy',
            'regex',
        ],
        # as `requirements/<extra>.txt` has them, without its exact versions
        'metrics': ['torchmetrics>=1.0', 'piq>=0.8.0'],
        'export': ['onnx>=1.17', 'onnxruntime>=1.20', 'onnxscript>=0.5'],
        'video': ['av>=15'],
        'heif': ['pillow-heif>=1.0'],
        'app': ['gradio>=6,<7'],
        'docs': ['mkdocs>=1.6,<2', 'mkdocs-material>=9.6,<10', 'mkdocstrings[python]>=1.0'],
        'all': ['llv[metrics,export,video,heif,app,docs]'],
        'tests': ['pytest>=8', 'pytest-xdist>=3.5', 'hypothesis>=6.100', 'playwright>=1.45'],
        'dev': ['llv[tests]', 'ruff>=0.8'],
    },
)
