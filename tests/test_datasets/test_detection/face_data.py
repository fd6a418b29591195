"""Writes tiny made-up data in the official layout of DARK FACE. Knows nothing of the reader that it is made for."""

import numpy as np
from PIL import Image

# stem: (picture file or None, label file or None, bytes of the label)
EVERY_CASE = {
    '1': ('1.png', '1.txt', b'2\n4 5 20 30\n30 10 50 35\n'),
    '2': ('2.PNG', '2.TXT', b'0\n'),  # count only; upper case
    '3': ('3.png', '3.txt', b''),  # empty
    '4': (
        '4.png',
        '4.txt',
        b'\xef\xbb\xbf1\r\n 1 2 3 4 \r\n\r\n\r\n',
    ),  # mark, Windows, blank lines
    '5': ('5.png', '5.txt', b'5\n1 2 3 4\n5 6 7 8\n'),  # the count says more
    '6': ('6.png', '6.txt', b'1\n1 2 3 4\n5 6 7 8\n'),  # the count says less
    '7': (
        '7.png',
        '7.txt',
        b'3\n10 10 10 20\n20 20 12 30\n-4 -5 70 60\n',
    ),  # no area twice; clipped
    '8': ('8.jpg', '8.txt', b'1\n1.5 2.25 10.5 20\n'),  # decimals; another kind of picture
    '9': ('9.png', '9.txt', b'1 2 3 4\n'),  # no count
    '10': ('10.png', '10.txt', b'1\n70 5 80 10\n'),  # outside of the picture
}
EXPECTED = {
    1: [[4, 5, 20, 30], [30, 10, 50, 35]],
    2: [],
    3: [],
    4: [[1, 2, 3, 4]],
    5: [[1, 2, 3, 4], [5, 6, 7, 8]],
    6: [[1, 2, 3, 4], [5, 6, 7, 8]],
    7: [[0, 0, 64, 48]],
    8: [[1.5, 2.25, 10.5, 20]],
    9: [[1, 2, 3, 4]],
    10: [],
}


def picture(path, size=(64, 48), seed=0):
    """A dark picture of width and height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 60, (*size[::-1], 3), np.uint8)
    Image.fromarray(values).save(path)


def write_dark_face(root, cases=EVERY_CASE, size=(64, 48)):
    """Write `image` and `label` below `root`."""
    for folder in ('image', 'label'):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for seed, (image, label, text) in enumerate(cases.values()):
        if image:
            picture(root / 'image' / image, size, seed)
        if label:
            (root / 'label' / label).write_bytes(text)
    return root


def write_numbers(root, numbers, labels=True):
    """Pictures with one face each; all pictures are links to one file, for there may be thousands."""
    write_dark_face(root, {})
    picture(root / 'picture.png', (6, 4))
    for number in numbers:
        (root / 'image' / f'{number}.png').hardlink_to(root / 'picture.png')
        if labels:
            (root / 'label' / f'{number}.txt').write_bytes(b'1\n1 1 3 3\n')
    (root / 'picture.png').unlink()
    return root


WIDER = """0--Parade/0_Parade_marchingband_1_849.jpg
2
10 12 20 16 0 0 0 0 0 0
-3 5 12 40 2 1 1 0 2 1
1--Handshaking/1_Handshaking_Handshaking_1_1.jpg
0
0 0 0 0 0 0 0 0 0 0
1--Handshaking/1_Handshaking_Handshaking_1_2.jpg
3
5 5 6 6 1 0 0 1 1 0
30 30 0 9 0 0 0 0 0 0
40 20 8 8 0 0 1 0 0 1
"""
FDDB = """2002/07/19/big/img_1
2
20.5 12 1.8 30 24  1
6 4 0 60 45 1
2002/07/20/big/img_2
1
10 8 -0.4 20 20  1
"""


def write_wider_face(root, subset='train', text=WIDER):
    """Write a list, with a box beyond the border, one without area and an invalid one, and its pictures."""
    folder = root / 'wider_face_split'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f'wider_face_{subset}_bbx_gt.txt').write_text(text)
    for line in text.splitlines():
        if '/' in line:
            picture(root / f'WIDER_{subset}' / 'images' / line)
    return root


def write_fddb(root, text=FDDB):
    """Write one fold, with ellipses, one of them beyond the border, and its pictures."""
    folder = root / 'FDDB-folds'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'FDDB-fold-01-ellipseList.txt').write_text(text)
    names = [line for line in text.splitlines() if '/' in line]
    (folder / 'FDDB-fold-01.txt').write_text('\n'.join(names) + '\n')
    for name in names:
        picture(root / 'originalPics' / f'{name}.jpg')
    return root
