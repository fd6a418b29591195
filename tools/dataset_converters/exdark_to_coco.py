"""Write ExDark's annotations as COCO JSON.

Picture ids are ExDark's running numbers, category ids 0 to 11 in official order; pictures keep
``light`` and ``indoor``. Boxes are clipped to the picture and those without area dropped, as in
``llv.ExDarkDataset``, which does the reading.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from llv.registry import DATASETS


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Convert ExDark (official files) to COCO JSON. The exit code is 0 only if no '
        'picture was skipped.'
    )
    parser.add_argument(
        'data_root', help='folder with imageclasslist.txt, images/ and annotations/'
    )
    parser.add_argument(
        'out', help='JSON file to write; file names in it are relative to the picture folder'
    )
    parser.add_argument(
        '--protocol', help='exdark_official, exdark_maet or exdark_ruas; default: all pictures'
    )
    parser.add_argument('--subset', nargs='+', help='subset(s) of the protocol: train, val, test')
    parser.add_argument('--seed', type=int, default=0, help='seed of the seeded protocols')
    parser.add_argument(
        '--split-file', help='text file with a picture name per line, instead of a protocol'
    )
    parser.add_argument('--light', nargs='+', help='keep these types of light: Low, Ambient, ...')
    place = parser.add_mutually_exclusive_group()
    place.add_argument('--indoor', dest='indoor', action='store_true', default=None)
    place.add_argument('--outdoor', dest='indoor', action='store_false')
    parser.add_argument('--folders', nargs='+', help='keep pictures of these class folders')
    parser.add_argument('--img-prefix', default='images', help='picture folder in data_root')
    parser.add_argument(
        '--ann-prefix', default='annotations', help='annotation folder in data_root'
    )
    parser.add_argument('--ann-file', default='imageclasslist.txt', help='list file in data_root')
    parser.add_argument(
        '--ignore-exif', action='store_true', help='sizes as stored, EXIF orientation ignored'
    )
    parser.add_argument(
        '--missing',
        choices=['skip', 'raise'],
        default='skip',
        help='go on without pictures whose files are missing (named, exit code 1), or stop',
    )
    return parser.parse_args(argv)


def to_coco(dataset) -> dict:
    """The records of an ExDarkDataset as a COCO dictionary."""
    images, annotations = [], []
    for index in range(len(dataset)):
        record = dataset.get_data_info(index)
        images.append(
            dict(
                id=record['img_id'],
                file_name=Path(record['img_path'])
                .relative_to(dataset.data_prefix['img'])
                .as_posix(),
                width=record['width'],
                height=record['height'],
                light=record['light'],
                indoor=record['indoor'],
            )
        )
        for instance in record['instances']:
            x1, y1, x2, y2 = instance['bbox']
            annotations.append(
                dict(
                    id=len(annotations) + 1,  # pycocotools takes id 0 for "no match"
                    image_id=record['img_id'],
                    category_id=instance['bbox_label'],
                    bbox=[x1, y1, x2 - x1, y2 - y1],
                    area=(x2 - x1) * (y2 - y1),
                    iscrowd=0,
                )
            )
    categories = [
        dict(id=label, name=name) for label, name in enumerate(dataset.metainfo['classes'])
    ]
    info = dict(
        description='ExDark',
        protocol=dataset.protocol,
        subset=dataset.subset,
        seed=dataset.seed,
        split_file=dataset.split_file,
    )
    return dict(info=info, images=images, annotations=annotations, categories=categories)


def write_json(content: dict, path: Path) -> None:
    """Write through a rename: an interrupted run leaves no half file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        'w', encoding='utf-8', dir=path.parent, suffix='.tmp', delete=False
    ) as stream:
        json.dump(content, stream)
    os.chmod(stream.name, 0o644)
    os.replace(stream.name, path)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        dataset = DATASETS.get('ExDarkDataset')(
            data_root=args.data_root,
            ann_file=args.ann_file,
            data_prefix=dict(img=args.img_prefix, ann=args.ann_prefix),
            protocol=args.protocol,
            subset=args.subset,
            seed=args.seed,
            split_file=args.split_file,
            light=args.light,
            indoor=args.indoor,
            folders=args.folders,
            missing=args.missing,
            apply_exif=not args.ignore_exif,
            test_mode=True,
        )
        coco = to_coco(dataset)
        write_json(coco, Path(args.out))
    except (ImportError, OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    skipped = dataset.repairs['skipped']
    print(
        f'{args.out}: {len(coco["images"])} pictures, {len(coco["annotations"])} boxes'
        + (f'; {skipped} pictures skipped, named above' if skipped else '')
    )
    return 1 if skipped else 0


if __name__ == '__main__':
    sys.exit(main())
