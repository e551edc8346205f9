"""Writes tests/fixtures/annotations: what the fuzzers of annotations and configs begin with, small files as the tools
write them. usage: make_annotation_seeds.py FOLDER"""

import json
import sys
from pathlib import Path

root = Path(sys.argv[1])
boxes = [("img1", "dog", 20, 30, 100, 110), ("img2", "cat", 60, 20, 180, 140)]
w, h = 200, 150


def seed(target, name, text):
    (root / target).mkdir(parents=True, exist_ok=True)
    (root / target / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def share(x1, y1, x2, y2):
    return (x1 + x2) / 2 / w, (y1 + y2) / 2 / h, (x2 - x1) / w, (y2 - y1) / h


coco = {
    "info": {"year": 2026},
    "images": [{"id": i + 1, "file_name": f"{b[0]}.png", "width": w, "height": h} for i, b in enumerate(boxes)],
    "annotations": [
        {"id": i + 1, "image_id": i + 1, "category_id": 1 + (b[1] == "dog"), "area": 9.0, "iscrowd": 0,
         "bbox": [b[2], b[3], b[4] - b[2], b[5] - b[3]], "segmentation": [[20, 30, 100, 30, 100, 110]],
         "keypoints": [1, 2, 2], "num_keypoints": 1, "attributes": {"seats": 4}}
        for i, b in enumerate(boxes)],
    "categories": [{"id": 1, "name": "cat", "supercategory": "pets", "keypoints": ["nose"]}, {"id": 2, "name": "dog"}],
}
seed("coco_json", "base.json", json.dumps(coco))
loose = json.loads(json.dumps(coco))
loose["images"][0].update(id="first", width="200", height=None)
loose["annotations"][0].update(image_id="first", iscrowd=False, bbox=None, category_id="2")
loose["annotations"][1].update(iscrowd=1, segmentation={"counts": [10, 20], "size": [h, w]}, bbox=[])
loose["categories"].append({"id": 0, "name": "cat", "supercategory": "none"})
seed("coco_json", "loose.json", b"\xef\xbb\xbf" + json.dumps(loose).encode())
seed("coco_results", "base.json", json.dumps(
    [{"image_id": i + 1, "category_id": 1, "bbox": [1.5, 2, 30, 40], "score": 0.5, "file_name": f"{b[0]}.png",
      "category_name": b[1]} for i, b in enumerate(boxes)]))

for name, kind, x1, y1, x2, y2 in boxes:
    seed("voc_xml", f"{name}.xml", f"""<annotation><folder>d</folder><filename>{name}.png</filename>
<size><width>{w}</width><height>{h}</height><depth>3</depth></size><segmented>0</segmented>
<object><name>{kind}</name><pose>Left</pose><truncated>0</truncated><difficult>1</difficult><bndbox><xmin>{x1 + 1}</xmin>
<ymin>{y1 + 1}</ymin><xmax>{x2}</xmax><ymax>{y2}.5</ymax></bndbox><part><name>head</name></part></object></annotation>""")
seed("voc_xml", "gbk.xml", '<?xml version="1.0" encoding="GBK"?><annotation><filename>猫.png</filename><object><name>'
     "猫</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox><attributes><attribute><name>"
     "rotation</name><value>30</value></attribute></attributes></object></annotation>".encode("gbk"))
seed("voc_xml", "turned.xml", "<annotation><object><name>a</name><robndbox><cx>50</cx><cy>40</cy><w>20</w><h>10</h>"
     "<angle>0.5</angle></robndbox><polygon><x1>1</x1><y1>2</y1><x2>3</x2><y2>4</y2><x3>9</x3><y3>9</y3></polygon>"
     "</object></annotation>")

seed("cvat_xml", "images.xml", f"""<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><meta><task>
<labels><label><name>dog</name></label></labels></task></meta><image id="0" name="img1.png" width="{w}" height="{h}">
<box label="dog" occluded="0" xtl="20.00" ytl="30.00" xbr="100.00" ybr="110.00" z_order="0" rotation="30">
<attribute name="age">4</attribute></box><polygon label="dog" points="1.0,2.0;30.0,4.0;5.0,60.0"/>
<ellipse label="dog" cx="50" cy="40" rx="10" ry="5"/><mask label="dog" rle="1, 2, 3" left="1" top="2" width="3"
height="2"/><points label="dog" points="1,2"/></image></annotations>""")
seed("cvat_xml", "tracks.xml", f"""<annotations><version>1.1</version><meta><task><size>20</size><start_frame>0</start_frame>
<stop_frame>19</stop_frame><frame_filter>step=2</frame_filter><original_size><width>{w}</width><height>{h}</height>
</original_size></task></meta><track id="0" label="dog"><box frame="0" outside="0" keyframe="1" xtl="1" ytl="2" xbr="30"
ybr="40"/><box frame="8" outside="0" keyframe="1" xtl="9" ytl="2" xbr="50" ybr="40"/><box frame="12" outside="1"
keyframe="1" xtl="9" ytl="2" xbr="50" ybr="40"/></track></annotations>""")

shapes = [{"label": "dog", "points": [[20, 30], [100, 110]], "group_id": None, "shape_type": "rectangle", "flags": {}},
          {"label": "dog", "points": [[1, 2], [30, 4], [5, 60]], "group_id": 1, "shape_type": "polygon"},
          {"label": "cat", "points": [[50, 50], [60, 50]], "shape_type": "circle", "description": "a"}]
seed("labelme_json", "img1.json", json.dumps(
    {"version": "5.2.1", "flags": {"seen": True}, "shapes": shapes, "imagePath": "img1.png", "imageData": None,
     "imageHeight": h, "imageWidth": w}))
regions = [{"shape_attributes": {"name": "rect", "x": 20, "y": 30, "width": 80, "height": 80},
            "region_attributes": {"class": "dog"}},
           {"shape_attributes": {"name": "polygon", "all_points_x": [1, 30, 5], "all_points_y": [2, 4, 60]},
            "region_attributes": {"class": "cat", "age": "4"}},
           {"shape_attributes": {"name": "ellipse", "cx": 50, "cy": 40, "rx": 9, "ry": 5, "theta": 0.3},
            "region_attributes": {"class": "cat"}}]
entry = {"filename": "img1.png", "size": 123, "regions": regions, "file_attributes": {"caption": "a"}}
seed("via_json", "export.json", json.dumps({"img1.png123": entry}))
seed("via_json", "project.json", json.dumps({"_via_settings": {}, "_via_img_metadata": {"img1.png123": entry},
                                             "_via_attributes": {"region": {"class": {"type": "dropdown"}}, "file": {}}}))
seed("via_json", "version1.json", json.dumps({"img1.png123": {**entry, "regions": {"0": regions[0]}}}))

lines = "".join("0 %.6f %.6f %.6f %.6f\n" % share(*b[2:]) for b in boxes)
for choice, name, text in [(0, "boxes", lines), (1, "score", lines.replace("\n", " 0.9\n")),
                           (4, "outline", "1 0.1 0.2 0.3 0.2 0.2 0.6\n"), (6, "oriented", "2 .1 .1 .2 .1 .2 .2 .1 .2\r\n"),
                           (8, "pose", "0 0.5 0.5 0.2 0.4 0.5 0.5 2 0.4 0.4 1\n")]:
    seed("yolo_lines", f"{name}.txt", bytes([choice]) + text.encode())
for name, text in [("list", "train: images/train\nval: [a, b]\nnc: 2\nnames: [cat, 'dog']\n"),
                   ("map", "path: ../d\ntrain: train.txt\nnames:\n  0: cat\n  1: dog\nkpt_shape: [17, 3]\n"),
                   ("dashes", "# data\nnames:\n- cat\n- \"d\\xe9g\"\ntest: images\nyolo_lines: pose\n")]:
    seed("yolo_yaml", f"{name}.yaml", text)

rows = [(f"{b[0]}.png", *b[1:]) for b in boxes]
seed("csv", "tensorflow.csv", "filename,width,height,class,xmin,ymin,xmax,ymax\n" +
     "".join(f"{f},{w},{h},{k},{a},{b},{c},{d}\r\n" for f, k, a, b, c, d in rows))
seed("csv", "retinanet.csv", "".join(f"img/{f},{a},{b},{c},{d},{k}\n" for f, k, a, b, c, d in rows) + "img1.jpg,,,,,\n")
seed("csv", "list.csv", "image_id;bbox;label;age\n" +
     "".join(f'{f};"[{a}, {b}, {c - a}, {d - b}]";"{k} ""x""";4,5\n' for f, k, a, b, c, d in rows))
seed("csv", "classes.csv", "dog,0\ncat,1\n")
seed("csv", "open_images.csv",
     "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n"
     "img1,xclick,/m/01g317,1,0.1,0.5,0.2,0.7,0,1,1,-1,0\nimg2,verification,/m/01yrx,0,0,1,0,1,0,0,0,0,0\n")

seed("config", "plain.json", '{"model": {"type": "faster_rcnn", "rpn": {"nms_threshold": 0.7}}, // a comment\n'
     '"train": {"lr": 1e-3, "factors": {"rpn.*": {"lr": 0.1}}, "steps": [1, 2]}}')
seed("config", "override.json", '{"a": {"b": 1, "_replace_": true}}\0a.b=[1, {"c": null}]')
