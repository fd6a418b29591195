"""Writes tiny made-up data in the official layout of ExDark. Knows nothing of the reader that it is
made for."""

import os

import numpy as np
from PIL import Image

FOLDERS = 'Bicycle Boat Bottle Bus Car Cat Chair Cup Dog Motorbike People Table'.split()
HEADER = '% bbGt version=3'


def picture(
    name,
    class_id=1,
    light=1,
    place=1,
    split=1,
    size=(64, 48),
    lines=(),
    mode='RGB',
    content=None,
    orientation=None,
    folder=None,
    disk_name=None,
    ann_name=None,
):
    """One picture of the made-up dataset; `size` is width and height as stored, `lines` annotation
    lines or boxes."""
    return dict(locals())


def box(name, left, top, width, height):
    return f'{name} {left} {top} {width} {height} 0 0 0 0 0 0 0'


EVERY_CASE = [
    picture(
        '2015_00001.png', 1, 1, 1, 1,
        lines=[box('Bicycle', 4, 5, 20, 30), box('People', 30, 10, 20, 25)],
    ),
    # case and extension differ between list, picture and annotation
    picture(
        '2015_00002.jpg', 2, 2, 2, 2,
        lines=[box('Boat', 2, 3, 40, 20)],
        disk_name='2015_00002.JPG', ann_name='2015_00002.JPEG.TXT',
    ),
    picture('2015_00003.JPEG', 3, 3, 1, 3, mode='L', lines=[box('Bottle', 10, 10, 10, 10)]),
    # header only
    picture('2015_00004.jpg', 6, 4, 2, 1, size=(30, 40)),
    # stored 64x48, shown 48x64; the box fits only the shown one
    picture('2015_00005.jpg', 5, 6, 2, 1, orientation=6, lines=[box('Car', 5, 30, 40, 30)]),
    # another format than the extension says
    picture('2015_00006.png', 9, 10, 1, 2, content='JPEG', lines=[box('Dog', 1, 1, 50, 40)]),
    # alpha channel; lower-case folder; the folder's class is in no box
    picture(
        '2016_00007.png', 11, 5, 1, 3,
        mode='RGBA', content='PNG', folder='people', lines=[box('Table', 0, 0, 30, 30)],
    ),
    # beyond all borders; without area after clipping; negative width; decimal numbers
    picture(
        '2017_00008.png', 8, 7, 1, 3,
        lines=[
            box('Cup', -5, -6, 90, 80), box('Cup', 70, 5, 10, 10),
            box('Chair', 20, 20, -4, 8), box('Cup', 1.5, 2.25, 10.5, 20),
        ],
    ),
]  # fmt: skip


def write_exdark(root, pictures=EVERY_CASE, newline='\n'):
    """Write `imageclasslist.txt`, `images` and `annotations` below `root`."""
    rows = ['Name | Class | Light | In/Out | Train/Val/Test']
    for number, item in enumerate(pictures):
        rows.append(
            ' '.join(str(item[key]) for key in ('name', 'class_id', 'light', 'place', 'split'))
        )
        folder = item['folder'] or FOLDERS[item['class_id'] - 1]
        for kind in ('images', 'annotations'):
            os.makedirs(root / kind / folder, exist_ok=True)
        name = item['name']
        suffix = os.path.splitext(name)[1].lower()
        content = item['content'] or ('PNG' if suffix == '.png' else 'JPEG')
        channels = {'L': (), 'RGB': (3,), 'RGBA': (4,)}[item['mode']]
        width, height = item['size']
        values = np.random.default_rng(number).integers(0, 60, (height, width, *channels), np.uint8)
        options = {}
        if item['orientation']:
            exif = Image.Exif()
            exif[0x0112] = item['orientation']
            options['exif'] = exif
        file = root / 'images' / folder / (item['disk_name'] or name)
        Image.fromarray(values).save(file, format=content, **options)
        text = newline.join([HEADER, *item['lines'], ''])
        file = root / 'annotations' / folder / (item['ann_name'] or f'{name}.txt')
        file.write_bytes(text.encode())
    (root / 'imageclasslist.txt').write_bytes((newline.join(rows) + newline).encode())
    return root


def write_list(root, count=7363):
    """A list file as long as the official one and with its names (the columns are made up); no
    pictures."""
    rows = ['Name | Class | Light | In/Out | Train/Val/Test']
    for number in range(1, count + 1):
        year = 2015 if number <= 7355 else 2016 if number == 7356 else 2017
        split = 1 if number <= 3000 else 2 if number <= 4800 else 3
        rows.append(
            f'{year}_{number:05d}.jpg {number % 12 + 1} {number % 10 + 1} {number % 2 + 1} {split}'
        )
    (root / 'imageclasslist.txt').write_text('\n'.join(rows) + '\n')
    return root
