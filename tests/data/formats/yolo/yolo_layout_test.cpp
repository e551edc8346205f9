#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rcnn/error.h>

#include "tests/data/formats/yolo/yolo_fixture.h"
#include "tests/support/message_of.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class YoloLayoutTest : public YoloFormatTest {
 protected:
  std::string refusal(const std::string& below = "") {
    return message_of<Error>([&] { locate(place(below), said_); });
  }
};

// docs.ultralytics.com/datasets/detect: path, train, val, test, names.
TEST_F(YoloLayoutTest, UltralyticsWithItsYaml) {
  base("images/train", "labels/train");
  base("images/val", "labels/val");
  for (const char* names :
       {"names:\n  0: cat\n  1: dog\n", "names: {0: cat, 1: dog}\n", "names: [cat, dog]\n",
        "nc: 2\nnames: ['cat', \"dog\"]\n", "names:\n- cat\n- dog\n", "names:\n  '0': cat\n  \"1\": dog\n",
        "names: \"['cat', 'dog']\"\n", "names:\n  - 0: cat\n  - 1: dog\n",
        "names: &n [cat, dog]\nothers: *n\n", "names:\n  1: dog\n  0: cat\n",
        "names:\n  - name: cat\n  - name: dog\n"}) {
    SCOPED_TRACE(names);
    text("data.yaml",
         fmt::format(
             "\xef\xbb\xbf# comment\npath: .\ntrain: images/train  # 4 images\nval: images/val\ntest:\n{}"
             "download: |\n  import os\n",
             names));
    EXPECT_THAT(parts(), ElementsAre("train", "val"));
    expect_base("train");
    expect_base("val");
    expect_base("val", "data.yaml");
  }
}

TEST_F(YoloLayoutTest, AYamlOfAnyNameCountsWhereItIsTheOnlyOne) {
  base("images/train", "labels/train");
  for (const char* name : {"data.yaml", "dataset.yml", "config.yaml", "coco8.yaml"}) {
    text(name, "train: images/train\nnames: [cat, dog]\n");
    expect_base("train");
    fs::remove(place(name));
  }
  text("a.yaml", "train: images/train\nnames: [cat, dog]\n");
  text("b.yaml", "train: images/train\nnames: [dog, cat]\n");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("a.yaml"), HasSubstr("b.yaml"), HasSubstr("name one")));
  expect_base("train", "a.yaml");
  text("data.yaml", "train: images/train\nnames: [cat, dog]\n");
  base_set::expect_records(*open("train"));
  EXPECT_EQ(errors(), "");
  EXPECT_THAT(warnings(), AllOf(HasSubstr("b.yaml (class 0"), Not(HasSubstr("a.yaml (class"))));
}

// Roboflow writes ../train/images beside a train/images, and READMEs at the top.
TEST_F(YoloLayoutTest, Roboflow) {
  base("train/images", "train/labels");
  base("valid/images", "valid/labels");
  text("data.yaml",
       "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\nnames: ['cat', "
       "'dog']\n\nroboflow:\n"
       "  workspace: a\n  project: b\n  version: 1\n  license: CC BY 4.0\n");
  text("README.roboflow.txt", "This dataset was exported via roboflow.com\n");
  EXPECT_THAT(parts(), ElementsAre("train", "val"));
  expect_base("val");
  open("train");
  EXPECT_THAT(warnings(), AllOf(HasSubstr("test part is passed over"), HasSubstr("../test/images")));
  // A sibling that the yaml would lead to is not of this folder.
  picture("other/x.png");
  expect_base("val");
}

TEST_F(YoloLayoutTest, RoboflowsNeighbourIsNotReadWhereTheFolderIsNamed) {
  base("set/train/images", "set/train/labels");
  base("train/images", "train/labels");
  text("train/labels/img1.txt", "0 0.5 0.5 1 1\n");
  text("set/data.yaml", "train: ../train/images\nval: ../train/images\nnames: [cat, dog]\n");
  open("train", "set");
  EXPECT_EQ(read("train", "set").images, place("set") / "train/images");
}

TEST_F(YoloLayoutTest, ThePathOfANamedYamlIsThePlace) {
  base("there/images/train", "there/labels/train");
  text("here/my.yaml", fmt::format("path: {}\ntrain: images/train\nval: [images/train]\nnames: [cat, dog]\n",
                                   place("there").string()));
  expect_base("train", "here/my.yaml");
  expect_base("val", "here/my.yaml");
  text("here/my.yaml", "path: ../there\ntrain: images/train\nnames: [cat, dog]\n");
  expect_base("train", "here/my.yaml");
  text("here/my.yaml", fmt::format("train: {}\nnames: [cat, dog]\n", place("there/images/train").string()));
  expect_base("train", "here/my.yaml");
  text("there/train.txt",
       "./images/train/img1.png\nimages/train/img2.png\n./images/train/img3.png\n./images/train/img4.png\n");
  text("here/my.yaml", "path: ../there\ntrain: train.txt\nnames: [cat, dog]\n");
  expect_base("train", "here/my.yaml");
}

TEST_F(YoloLayoutTest, NothingOutsideOfANamedFolderIsRead) {
  base("there/images/train", "there/labels/train");
  base("here/images/val", "here/labels/val");
  text("here/data.yaml", "path: ../there\ntrain: images/train\nval: images/val\nnames: [cat, dog]\n");
  EXPECT_THAT(parts("here"), ElementsAre("train", "val"));
  expect_base("val", "here");
  EXPECT_THAT(message_of<DataError>([&] { open("train", "here"); }),
              AllOf(HasSubstr("train"), HasSubstr("there/images/train"), HasSubstr("name"),
                    HasSubstr("data.yaml itself")));
}

TEST_F(YoloLayoutTest, FoldersOfAnotherMachineAreFoundByTheirEnds) {
  base("train/images", "train/labels");
  base("valid/images", "valid/labels");
  text("data.yaml",
       "path: /kaggle/input/pets\ntrain: /kaggle/input/pets/train/images\nval: "
       "C:\\Users\\me\\pets\\valid\\images\nnames: [cat, dog]\n");
  for (const char* part : {"train", "val"}) {
    base_set::expect_records(*open(part));
    EXPECT_EQ(errors(), "");
    if (part == std::string("train")) {
      EXPECT_THAT(warnings(), AllOf(HasSubstr("/kaggle/input/pets/train/images"), HasSubstr("train/images")));
    }
  }
}

TEST_F(YoloLayoutTest, PartsAreFoldersListsOfFoldersAndLists) {
  for (const auto& entry : base_set::entries()) {
    const std::string day = entry.id < "img3" ? "day1" : "day2";
    picture(fmt::format("images/{}/{}.png", day, entry.id));
    text(fmt::format("labels/{}/{}.txt", day, entry.id), line(entry));
  }
  text("data.yaml",
       "train: [images/day1, images/day2]\nval: val.txt\ntest:\n  - images/day2\nnames: [cat, dog]\n");
  text("val.txt", "\xef\xbb\xbf./images/day1/img1.png\r\nimages/day2/img3.png\r\n");
  const auto train = read("train");
  EXPECT_EQ(train.images, place("") / "images");
  ASSERT_EQ(train.content.images.size(), 4u);
  EXPECT_EQ(train.content.images[3].file_name, "day2/img4.png");
  EXPECT_EQ(train.content.images[3].name, "day2/img4");
  EXPECT_EQ(read("val").content.images.size(), 2u);
  EXPECT_EQ(read("test").content.images.size(), 2u);
  EXPECT_THAT(parts(), ElementsAre("train", "val", "test")) << "val.txt is val";
}

TEST_F(YoloLayoutTest, APartOfTheYamlThatIsNotThereIsSaid) {
  base("images/train", "labels/train");
  text("data.yaml", "train: images/train\nval: images/val\nnames: [cat, dog]\n");
  EXPECT_THAT(parts(), ElementsAre("train", "val"));
  EXPECT_THAT(message_of<DataError>([&] { open("val"); }),
              HasSubstr(place("data.yaml").string() + ": val: images/val is not there"));
  text("data.yaml", "train: images/train\nval: images/val\nnames: [cat, dog\n");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("data.yaml: line"), HasSubstr("no yaml")));
  text("data.yaml", "train: {a: b}\nval: images/val\nnames: [cat, dog]\n");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("line 1"), HasSubstr("train must be")));
}

TEST_F(YoloLayoutTest, AYamlOfOtherThingsIsNotOurs) {
  base("images", "labels");
  text("classes.txt", "cat\ndog\n");
  text("environment.yaml", "name: a\ndependencies: [b]\n");
  text("broken.yaml", "a: [b\n");
  text("list.yml", "- a\n- b\n");
  expect_base("all");
}

// github.com/AlexeyAB/darknet, "How to train": data/obj.data, obj.names, train.txt with data/obj/img1.jpg.
TEST_F(YoloLayoutTest, Darknet) {
  base("obj", "obj");
  text("obj.names", "cat\ndog\n");
  text("obj.data",
       "classes = 2\ntrain  = data/train.txt\nvalid  = data/test.txt\nnames = data/obj.names\nbackup = "
       "backup/\n");
  text("train.txt", "data/obj/img1.png\ndata/obj/img2.png\ndata/obj/img3.png\ndata/obj/img4.png\n");
  text("test.txt",
       "/home/me/darknet/data/obj/img1.png\nC:\\darknet\\data\\obj\\img2.png\n\nobj/img3.png\nelsewhere/"
       "img4.png\n");
  EXPECT_THAT(parts(), ElementsAre("train", "valid"));
  expect_base("train");
  base_set::expect_records(*open("valid"));
  EXPECT_EQ(errors(), "");
  EXPECT_THAT(
      warnings(),
      AllOf(HasSubstr("from the data set's own folder: test.txt line 1 (/home/me/darknet"),
            HasSubstr("test.txt line 2 (C:\\darknet"), Not(HasSubstr("img3")), Not(HasSubstr("img4"))));
}

TEST_F(YoloLayoutTest, ListsThatLeadOutsideAreSaid) {
  base("set/images", "set/labels");
  base("secret", "secret");
  text("set/classes.txt", "cat\ndog\n");
  text("set/lists/train.txt", fmt::format("../images/img1.png\n../../secret/img2.png\n/etc/img3.png\n{}\n",
                                          place("set/images/img4.png").string()));
  text("set/voc.data", "train = lists/train.txt\nvalid = /home/me/lists/valid.txt\n");
  text("set/lists/valid.txt", "images/img1.png\n/img2.png\n");
  const auto part = read("train", "set");
  EXPECT_EQ(part.images, place("set/images"));
  EXPECT_EQ(part.content.images.size(), 4u);
  EXPECT_EQ(errors(), "");
  EXPECT_THAT(warnings(),
              AllOf(HasSubstr("line 2 (../../secret/img2.png)"), HasSubstr("line 3 (/etc/img3.png)"),
                    Not(HasSubstr("line 1")), Not(HasSubstr("line 4")),
                    HasSubstr("voc.data: valid = /home/me/lists/valid.txt as lists/valid.txt")));
  EXPECT_EQ(read("valid", "set").content.images.size(), 2u);
  EXPECT_THAT(warnings(), HasSubstr("lists/valid.txt line 2 (/img2.png)"));
}

TEST_F(YoloLayoutTest, DarknetsWholeFolder) {
  base("data/obj", "data/obj");
  text("data/obj.names", "cat\ndog\n");
  text("data/obj.data", "classes = 2\ntrain  = data/train.txt\nnames = data/obj.names\n");
  text("data/train.txt", "data/obj/img1.png\ndata/obj/img2.png\ndata/obj/img3.png\ndata/obj/img4.png\n");
  expect_base("train");
}

// docs.cvat.ai/docs/dataset_management/formats/format-yolo
TEST_F(YoloLayoutTest, Cvat) {
  base("obj_train_data", "obj_train_data");
  text("obj.names", "cat\ndog\n");
  text("obj.data", "classes = 2\nnames = data/obj.names\nbackup = backup/\ntrain = data/train.txt\n");
  text("train.txt",
       "data/obj_train_data/img1.png\ndata/obj_train_data/img2.png\ndata/obj_train_data/img3.png\ndata/"
       "obj_train_data/img4.png\n");
  EXPECT_THAT(parts(), ElementsAre("train"));
  expect_base("train");
  for (const char* file : {"obj.data", "train.txt"}) {
    fs::remove(place(file));
    EXPECT_THAT(parts(), ElementsAre("train")) << "obj_train_data says it";
    expect_base("train");
  }
}

TEST_F(YoloLayoutTest, CvatWithoutItsImages) {
  base("pictures", "obj_train_data");
  text("obj.names", "cat\ndog\n");
  text("obj.data", "names = obj.names\ntrain = train.txt\n");
  text(
      "train.txt",
      "obj_train_data/img1.png\nobj_train_data/img2.png\nobj_train_data/img3.png\nobj_train_data/img4.png\n");
  expect_base("train");
}

// docs.cvat.ai/docs/manual/advanced/formats/format-yolo-ultralytics: train: train.txt
TEST_F(YoloLayoutTest, CvatsUltralytics) {
  base("images/train", "labels/train");
  text("data.yaml", "path: ./\ntrain: train.txt\n\nnames:\n  0: cat\n  1: dog\n");
  text("train.txt",
       "images/train/img1.png\nimages/train/img2.png\nimages/train/img3.png\nimages/train/img4.png\n");
  EXPECT_THAT(parts(), ElementsAre("train"));
  expect_base("train");
}

TEST_F(YoloLayoutTest, FoldersWithoutAnyYaml) {
  struct Case {
    std::string images, labels, names, part;
  };
  for (const auto& [images, labels, names, part] : {
           Case{"images/train", "labels/train", "classes.txt", "train"},
           Case{"train/images", "train/labels", "classes.txt", "train"},
           Case{"images", "labels", "classes.txt", "all"},
           Case{"images", "labels", "labels/classes.txt", "all"},  // LabelImg writes it among the labels
           Case{"images", "images", "classes.txt", "all"},
           Case{"", "", "classes.txt", "all"},  // LabelImg's own folder
           Case{"", "", "obj.names", "all"},
           Case{"valid", "valid", "pets.names", "valid"},
           Case{"train", "train", "train/_darknet.labels", "train"},  // Roboflow's "YOLO Darknet"
           Case{"images/val2017", "labels/val2017", "labels/predefined_classes.txt", "val2017"},
           Case{"data/images/test", "data/labels/test", "data/classes.txt", "test"},
           Case{"Images", "Labels", "classes.txt", "all"},
           Case{"images/all", "labels/all", "labels/all/classes.txt", "all"},
       }) {
    SCOPED_TRACE(images + " " + names);
    fs::remove_all(folder_.path());
    base(images, labels);
    text(names, "cat\ndog\n");
    EXPECT_THAT(parts(), ElementsAre(part));
    if (images == "images/all") continue;  // ids begin with the folder
    expect_base(part);
  }
}

// Recipe 24a: img1 and img2 one folder further down; recipe 9b: an image and its label in cam1/.
TEST_F(YoloLayoutTest, FoldersInFolders) {
  base("images/train", "labels/train");
  text("classes.txt", "cat\ndog\n");
  for (const char* name : {"img1", "img2"}) {
    fs::create_directories(place("images/train/day1"));
    fs::create_directories(place("labels/train/day1"));
    fs::rename(place(fmt::format("images/train/{}.png", name)),
               place(fmt::format("images/train/day1/{}.png", name)));
    fs::rename(place(fmt::format("labels/train/{}.txt", name)),
               place(fmt::format("labels/train/day1/{}.txt", name)));
  }
  const auto dataset = open("train");
  EXPECT_EQ(errors() + warnings(), "");
  ASSERT_EQ(dataset->size(), 4);
  EXPECT_EQ(dataset->record(0).id, "day1/img1");
  EXPECT_EQ(dataset->record(0).objects.size(), 1u);
  EXPECT_EQ(dataset->record(2).id, "img3");

  const TempFolder other;
  fs::rename(place("images/train"), place("images/cam0"));
  fs::rename(place("labels/train"), place("labels/cam0"));
  EXPECT_THAT(parts(), ElementsAre("all"));
  EXPECT_EQ(open("all")->size(), 4);
}

// Recipe 24b.
TEST_F(YoloLayoutTest, APartWithoutImagesIsANote) {
  base("images/train", "labels/train");
  text("classes.txt", "cat\ndog\n");
  fs::create_directories(place("images/test"));
  fs::create_directories(place("labels/test"));
  EXPECT_THAT(parts(), ElementsAre("train"));
  base_set::expect_records(*open("train"));
  EXPECT_EQ(errors(), "");
  EXPECT_THAT(warnings(), AllOf(HasSubstr("no images"), HasSubstr("images/test")));
}

// Recipe 24c.
TEST_F(YoloLayoutTest, LabelsWithoutImagesAndImagesWithoutLabelsAreSaid) {
  base("images/train", "labels/train");
  text("classes.txt", "cat\ndog\n");
  text("labels/train/lost.txt", "0 0.5 0.5 0.1 0.1\n");
  picture("images/train/sky.png");
  const auto dataset = open("train");
  EXPECT_EQ(dataset->size(), 5);
  EXPECT_EQ(errors(), "");
  EXPECT_THAT(warnings(), AllOf(HasSubstr("labels without an image: labels/train/lost.txt"),
                                HasSubstr("without a file of labels"), HasSubstr("sky.png")));
}

TEST_F(YoloLayoutTest, TextsBesideImagesAreLabelsWhereTheyLookSo) {
  base("", "");
  text("classes.txt", "cat\ndog\n");
  text("README.txt", "These are pets.\n");
  text("lost.txt", "0 0.5 0.5 0.1 0.1\n");
  open("all");
  EXPECT_THAT(warnings(), AllOf(HasSubstr("without an image: lost.txt"), Not(HasSubstr("README"))));
}

// Recipe 24c: what may not be read is not an image without objects.
TEST_F(YoloLayoutTest, LabelsThatCannotBeReadAreBad) {
  base("images/train", "labels/train");
  picture("images/train/img5.png");
  text("labels/train/img5.txt", "0 0.5 0.5 0.5 0.5\n");
  text("classes.txt", "cat\ndog\n");
  fs::remove(place("labels/train/img1.txt"));
  fs::create_directory(place("labels/train/img1.txt"));
  fs::remove(place("labels/train/img2.txt"));
  fs::create_symlink("nowhere.txt", place("labels/train/img2.txt"));
  fs::remove(place("labels/train/img4.txt"));
  ASSERT_EQ(::mkfifo(place("labels/train/img4.txt").c_str(), 0600), 0);
  text("labels/train/img3.txt", std::string("\xff\xfe"
                                            "0\0 \0",
                                            6));
  EXPECT_EQ(open("train")->size(), 1);
  EXPECT_THAT(errors(), AllOf(HasSubstr("labels that cannot be read (bad_images=skip leaves it out)"),
                              HasSubstr("img1.txt"), HasSubstr("img2.txt"), HasSubstr("img4.txt: is no file"),
                              HasSubstr("img3.txt: is UTF-16")));
  said_.bad_images = Policy::skip;
  EXPECT_EQ(open("train")->size(), 1);
  EXPECT_EQ(errors(), "");
  EXPECT_EQ(read("train").content.images.size(), 1u);
}

TEST_F(YoloLayoutTest, LabelsWithoutPermissionAreBad) {
  base("images/train", "labels/train");
  text("classes.txt", "cat\ndog\n");
  fs::permissions(place("labels/train/img1.txt"), fs::perms::none);
  if (::access(place("labels/train/img1.txt").c_str(), R_OK) == 0)
    GTEST_SKIP() << "this user may read everything";
  open("train");
  EXPECT_THAT(errors(), HasSubstr("img1.txt"));
  fs::permissions(place("labels/train"), fs::perms::none);
  EXPECT_THAT(refusal(), HasSubstr("labels/train: cannot be listed"));
  fs::permissions(place("labels/train"), fs::perms::all);
}

TEST_F(YoloLayoutTest, DamagedImagesAreBad) {
  base("images/train", "labels/train");
  text("classes.txt", "cat\ndog\n");
  text("images/train/img2.png", "no image");
  EXPECT_EQ(open("train")->size(), 3);
  EXPECT_THAT(errors(), AllOf(HasSubstr("img2.png"), HasSubstr("bad_images=skip")));
  said_.bad_images = Policy::skip;
  EXPECT_EQ(read("train").content.annotations.size(), 3u);
  EXPECT_EQ(errors(), "");
}

TEST_F(YoloLayoutTest, ListsAtTheTopAreParts) {
  base("images", "labels");
  text("classes.txt", "cat\ndog\n");
  text("train.txt", "./images/img1.png\n./images/img3.png\n");
  text("val.txt", "images/img2.png\nimages/img2.png\nimages/gone.png\n");
  EXPECT_THAT(parts(), ElementsAre("train", "val"));
  EXPECT_EQ(open("train")->size(), 2);
  EXPECT_EQ(errors(), "");
  EXPECT_THAT(warnings(), HasSubstr("images (4 images, 3 of them in train.txt, val.txt)"));
  EXPECT_EQ(open("val")->size(), 1);
  EXPECT_THAT(warnings(), HasSubstr("second time, and taken once: val.txt line 2 (images/img2.png)"));
  EXPECT_THAT(errors(), HasSubstr("val.txt line 3 (images/gone.png)"));
}

TEST_F(YoloLayoutTest, AListInThePlaceOfItsFolderIsSaidWhereItHasFewerImages) {
  base("images/train", "labels/train");
  base("images/val", "labels/val");
  text("classes.txt", "cat\ndog\n");
  text("train.txt", "images/train/img1.png\nimages/train/img2.png\n");
  EXPECT_THAT(parts(), ElementsAre("train", "val"));
  EXPECT_EQ(open("train")->size(), 2);
  EXPECT_EQ(errors(), "");
  EXPECT_THAT(warnings(), HasSubstr("images/train (4 images, 2 of them in train.txt)"));
  expect_base("val");
  text("more.txt", "images/train/img3.png\nimages/train/img4.png\n");
  open("train");
  EXPECT_EQ(warnings(), "") << "another list has the others";
  text("more.txt", "images/train/img3.png\nK\xfche.png\n");
  EXPECT_EQ(open("train")->size(), 2) << "what is wrong with another list is that part's";
  EXPECT_EQ(errors(), "");
}

TEST_F(YoloLayoutTest, TwoImagesOfOneStemHaveIdsOfTheirOwn) {
  base("images", "labels");
  picture("images/img1.jpg");
  text("classes.txt", "cat\ndog\n");
  const auto dataset = open("all");
  ASSERT_EQ(dataset->size(), 5);
  EXPECT_EQ(dataset->record(0).id, "img1.jpg");
  EXPECT_EQ(dataset->record(1).id, "img1.png");
  EXPECT_EQ(errors(), "");
  EXPECT_THAT(warnings(),
              HasSubstr("two images share a file of labels, and both have its objects: img1.jpg and "
                        "img1.png (labels/img1.txt)"));
}

// Roboflow's "YOLOv5 Oriented Bounding Boxes": lines of DOTA's in labelTxt.
TEST_F(YoloLayoutTest, TextsInAFolderThatIsNotReadAreSaid) {
  base("train/images", "train/labelTxt");
  text("data.yaml", "train: ../train/images\nnames: [cat, dog]\n");
  EXPECT_EQ(read("train").content.annotations.size(), 0u);
  EXPECT_THAT(warnings(), AllOf(HasSubstr("folder that is not read"), HasSubstr("train/labelTxt/img1.txt"),
                                Not(HasSubstr("labelTxt/img2.txt"))));
  text("train/labels/img1.txt", "0 0.5 0.5 0.1 0.1\n");
  read("train");
  EXPECT_THAT(warnings(), Not(HasSubstr("labelTxt")));
}

// Roboflow's "YOLO v4 PyTorch" and "YOLO Keras".
TEST_F(YoloLayoutTest, ATableOfBoxesIsNamed) {
  picture("train/a.png");
  text("train/_annotations.txt", "a.png 10,20,110,100,0\n");
  text("train/_classes.txt", "cat\n");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("yolo comes nearest"), HasSubstr("train/_annotations.txt"),
                               HasSubstr("export as YOLOv5")));
}

TEST_F(YoloLayoutTest, WhatIsNoYoloIsNotTaken) {
  picture("images/a.png");
  text("images/a.txt", "a photo of a cat, sitting\n");  // captions
  EXPECT_THAT(refusal(), HasSubstr("is no data set"));
  fs::remove_all(folder_.path());
  picture("images/a.png");
  text("labels/b.txt", "0 0.5 0.5 0.1 0.1\n");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("yolo comes nearest"), HasSubstr("labels/b.txt"),
                               HasSubstr("none has the name of an image")));
  text("data.yaml", "train: elsewhere\nnames: [cat]\n");
  EXPECT_THAT(refusal(),
              AllOf(HasSubstr("yolo comes nearest"), HasSubstr("data.yaml: train: elsewhere is not there")));
}

// Fault 9c.
TEST_F(YoloLayoutTest, TwoFormatsInOneFolderAreRefused) {
  base("images/train", "labels/train");
  text("classes.txt", "cat\ndog\n");
  text("annotations/instances_train.json", R"({"images": [], "annotations": [], "categories": []})");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("coco"), HasSubstr("yolo"), HasSubstr("--from")));
  said_.type = "yolo";
  expect_base("train");
}

// Fault 9.
TEST_F(YoloLayoutTest, PartsAreChosenAndImagesRefused) {
  base("images/train", "labels/train");
  base("images/val", "labels/val");
  text("classes.txt", "cat\ndog\n");
  said_.splits = {"val"};
  EXPECT_THAT(parts(), ElementsAre("val"));
  said_.splits = {"nonexist"};
  EXPECT_THAT(refusal(), AllOf(HasSubstr("nonexist"), HasSubstr("train, val")));
  said_ = {.images = "/nonexistent"};
  EXPECT_THAT(refusal(), HasSubstr("--images"));
  said_ = {.type = "via"};
  EXPECT_THAT(refusal(), HasSubstr("it is one of the format yolo"));
}

TEST_F(YoloLayoutTest, AnArchivesOnlyFolderIsTheDataSet) {
  base("pets/train/images", "pets/train/labels");
  text("pets/data.yaml", "train: ../train/images\nnames: [cat, dog]\n");
  text("__MACOSX/pets/._data.yaml", "x");
  expect_base("train");
}

// pjreddie.com/darknet/yolo, "Training YOLO on VOC": labels/ beside JPEGImages/, and a list.
TEST_F(YoloLayoutTest, DarknetsVoc) {
  base("VOC2007/JPEGImages", "VOC2007/labels");
  text("voc.names", "cat\ndog\n");
  text("voc.data", "classes= 2\ntrain  = /home/me/voc/train.txt\nnames = data/voc.names\n");
  text("train.txt",
       "/home/me/voc/VOC2007/JPEGImages/img1.png\n/home/me/voc/VOC2007/JPEGImages/img2.png\n"
       "/home/me/voc/VOC2007/JPEGImages/img3.png\n/home/me/voc/VOC2007/JPEGImages/img4.png\n");
  base_set::expect_records(*open("train"));
  EXPECT_EQ(errors(), "");
  EXPECT_THAT(warnings(), AllOf(HasSubstr("train = /home/me/voc/train.txt as train.txt"),
                                HasSubstr("train.txt line 4 (/home/me/voc/VOC2007/JPEGImages/img4.png)")));
}

TEST_F(YoloLayoutTest, HiddenFilesArePassedOver) {
  base("images/train", "labels/train");
  text("classes.txt", "cat\ndog\n");
  for (const char* file :
       {"images/train/._img1.png", "labels/train/._img1.txt", "images/train/@eaDir/img1.png",
        "__MACOSX/images/train/img1.png", "._classes.txt", "._data.yaml"})
    text(file, std::string("\0\5\x16\7", 4));
  expect_base("train");
}

TEST_F(YoloLayoutTest, ALimitIsKept) {
  base("images/train", "labels/train");
  text("classes.txt", "cat\ndog\n");
  auto part = locate(folder_.path()).at(0);
  part.split.limit = 2;
  EXPECT_EQ(data::open(part.options, part.split, problems_)->size(), 2);
}

}  // namespace
}  // namespace rcnn::data
