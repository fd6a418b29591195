"""Detection datasets as the XML files of PASCAL VOC."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path, PurePosixPath

from mmengine.dataset import BaseDataset

from .coco_json import check_stems, relative_name
from .picture_files import put_picture


def write_voc(
    dataset: BaseDataset, out: Path, name: str, pictures: str = 'link'
) -> tuple[int, int]:
    """Write ``Annotations``, ``ImageSets/Main/<name>.txt`` and ``JPEGImages`` below a folder.

    mmdet's ``XMLDataset`` takes ``JPEGImages/<id>.jpg`` for the picture whatever it is, so that is what the links or
    copies are called; decoders go by content.

    Args:
        dataset: A detection dataset whose ``data_prefix['img']`` is the picture folder.
        out: The folder to write.
        name: Name of the list of pictures.
        pictures: One of :data:`~llv.datasets.detection.picture_files.HOW`.

    Returns:
        Number of pictures and of boxes.

    Raises:
        ValueError: Two pictures have one name without their folders.
    """
    records = [dataset.get_data_info(index) for index in range(len(dataset))]
    files = [PurePosixPath(relative_name(dataset, record)) for record in records]
    check_stems(files)
    annotations, lists = out / 'Annotations', out / 'ImageSets' / 'Main'
    for folder in (annotations, lists):
        folder.mkdir(parents=True, exist_ok=True)
    for record, file in zip(records, files, strict=True):
        tree = voc_tree(record, dataset.metainfo['classes'], file)
        tree.write(annotations / f'{file.stem}.xml', encoding='utf-8')
        put_picture(Path(record['img_path']), out / 'JPEGImages' / f'{file.stem}.jpg', pictures)
    # the list comes last: as long as it is not there, the rest is not complete
    (lists / f'{name}.txt').write_text(''.join(f'{file.stem}\n' for file in files))
    return len(records), sum(len(record['instances']) for record in records)


def voc_tree(record: dict, classes: tuple[str, ...], file: PurePosixPath) -> ET.ElementTree:
    """The XML of a record.

    Zero-based corners x1, y1, x2, y2 become ``xmin`` ... ``ymax`` by adding one **to each**, because mmdet's reader
    takes one from each: it gives back the very corners. (A reader after VOC's own rule, where ``xmax`` is the last
    pixel inside, sees boxes one pixel wider.) VOC knows whole numbers only: decimals are rounded, to a side of at least
    one pixel. Boxes to be ignored are ``difficult``.

    Args:
        record: A record of a detection dataset.
        classes: Its class names.
        file: The picture, relative to the picture folder.
    """
    root = ET.Element('annotation')
    ET.SubElement(root, 'folder').text = 'JPEGImages'
    ET.SubElement(root, 'filename').text = f'{file.stem}.jpg'
    size = ET.SubElement(root, 'size')
    for key, value in (('width', record['width']), ('height', record['height']), ('depth', 3)):
        ET.SubElement(size, key).text = str(value)
    ET.SubElement(root, 'segmented').text = '0'
    for instance in record['instances']:
        item = ET.SubElement(root, 'object')
        ET.SubElement(item, 'name').text = classes[instance['bbox_label']]
        ET.SubElement(item, 'pose').text = 'Unspecified'
        ET.SubElement(item, 'truncated').text = '0'
        ET.SubElement(item, 'difficult').text = str(int(instance['ignore_flag']))
        corners = _whole(instance['bbox'], record['width'], record['height'])
        box = ET.SubElement(item, 'bndbox')
        for key, value in zip(('xmin', 'ymin', 'xmax', 'ymax'), corners, strict=True):
            ET.SubElement(box, key).text = str(value + 1)
    ET.indent(root)
    return ET.ElementTree(root)


def _whole(box: list[float], width: int, height: int) -> tuple[int, int, int, int]:
    """Corners as whole numbers, at least one pixel apart, within the picture."""
    x1, y1 = min(round(box[0]), width - 1), min(round(box[1]), height - 1)
    return x1, y1, max(round(box[2]), x1 + 1), max(round(box[3]), y1 + 1)
