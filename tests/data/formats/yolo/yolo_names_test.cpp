#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/error.h>

#include "tests/data/formats/yolo/yolo_fixture.h"
#include "tests/support/message_of.h"

namespace rcnn::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class YoloNamesTest : public YoloFormatTest {
 protected:
  YoloNamesTest() {
    picture("images/a.png");
    text("labels/a.txt", "0 0.5 0.5 0.2 0.2\n");
  }

  /// By category; "-" where a number has no name.
  std::vector<std::string> names() {
    std::vector<std::string> result;
    for (const auto& [id, name] : read().content.categories) {
      result.resize(std::max(result.size(), static_cast<size_t>(id)), "-");
      result[static_cast<size_t>(id) - 1] = name;
    }
    return result;
  }
  std::string refusal() {
    return message_of<DataError>([&] { read(); });
  }
};

TEST_F(YoloNamesTest, ALineIsANameAndBeginsWithItsNumberOnlyIfAllDo) {
  const std::vector<std::pair<const char*, std::vector<std::string>>> cases = {
      {"cat\ndog\n", {"cat", "dog"}},
      {"\xef\xbb\xbf cat \r\ndog\r\n\r\n", {"cat", "dog"}},  // recipe 12
      {"0 cat\n1 dog\n", {"cat", "dog"}},
      {"0: cat\n1:\tdog\n", {"cat", "dog"}},
      {"1 cat\n2 dog\n", {"cat", "dog"}},
      {"0 cat\n\n1 dog\n", {"cat", "dog"}},
      {"3 wheeler\n2 wheeler\n", {"3 wheeler", "2 wheeler"}},
      {"0 cat\n2 dog\n", {"0 cat", "2 dog"}},
      {"0 cat\ndog\n", {"0 cat", "dog"}},
      {"2 doors\n", {"2 doors"}},
      {"traffic light\nstop sign\n", {"traffic light", "stop sign"}},
      {"0\n1\n2\n", {"0", "1", "2"}},         // digits are classes, too
      {"cat\n\ndog\n", {"cat", "-", "dog"}},  // LabelImg counts the empty line
  };
  for (const auto& [bytes, expected] : cases) {
    text("classes.txt", bytes);
    EXPECT_EQ(names(), expected) << bytes;
    EXPECT_EQ(errors(), "");
  }
}

TEST_F(YoloNamesTest, AClassWithoutANameIsAnError) {
  text("classes.txt", "cat\n\ndog\n");
  text(
      "labels/a.txt",
      "1 0.5 0.5 0.2 0.2\n3 0.5 0.5 0.2 0.2\n0.5 0.5 0.5 0.1 0.1\n-1 0.5 0.5 0.2 0.2\n2.0 0.5 0.5 0.2 0.2\n");
  EXPECT_EQ(read().content.annotations.size(), 1u);
  EXPECT_THAT(errors(),
              AllOf(HasSubstr("classes.txt has 2 (0, 2)"), HasSubstr("data.classes (--classes FILE)"),
                    HasSubstr("labels/a.txt line 1 (1)"), HasSubstr("labels/a.txt line 2 (3)")));
  EXPECT_THAT(warnings(), AllOf(HasSubstr("dropped: a class that is no whole number"),
                                HasSubstr("line 3 (0.5)"), HasSubstr("line 4 (-1)")));
  said_.bad_boxes = Policy::stop;
  read();
  EXPECT_THAT(errors(), AllOf(HasSubstr("bad_boxes=skip"), HasSubstr("line 4 (-1)")));
}

TEST_F(YoloNamesTest, ClassesThatTheFilesDoNotNameCanBeNamed) {
  text("data.yaml", "names: {1: cat, 2: dog}\n");
  text("labels/a.txt", "0 0.5 0.5 0.2 0.2\n2 0.5 0.5 0.2 0.2\n");
  read();
  EXPECT_THAT(errors(),
              AllOf(HasSubstr("data.yaml has 2 (1 to 2)"), HasSubstr("data.classes (--classes FILE)"),
                    HasSubstr("labels/a.txt line 1 (0)")));
  said_.classes = {"bird", "cat", "dog"};
  EXPECT_THAT(names(), ElementsAre("bird", "cat", "dog"));
  EXPECT_EQ(errors(), "");
  EXPECT_THAT(warnings(), AllOf(HasSubstr("named by data.classes"), HasSubstr("0 is bird (1 object)")));
  EXPECT_EQ(open("all")->record(0).objects.at(0).label, 1);
  EXPECT_EQ(open("all")->record(0).objects.at(1).label, 3);

  text("data.yaml", "names: [bird, cat]\n");
  EXPECT_THAT(names(), ElementsAre("bird", "cat", "dog")) << "where the names end";
  EXPECT_THAT(warnings(), HasSubstr("2 is dog (1 object)"));
  text("labels/a.txt", "3 0.5 0.5 0.2 0.2\n");
  read();
  EXPECT_THAT(errors(), HasSubstr("data.classes has 3 (0 to 2)"));
  said_.classes = {"cat", "bird", "dog"};  // a choice of an order, which names nothing
  read();
  EXPECT_THAT(errors(), HasSubstr("data.yaml has 2 (0 to 1)"));
  text("labels/a.txt", "0 0.5 0.5 0.2 0.2\n");
  said_.classes = {"bird", "cat", "dog"};
  read();
  EXPECT_EQ(errors() + warnings(), "") << "nobody needed the further name";
}

// Recipe 12, and 9: cp1252.
TEST_F(YoloNamesTest, NamesThatAreNoUtf8AreRefused) {
  text("classes.txt", std::string("\xff\xfe"
                                  "c\0a\0t\0\n\0",
                                  10));
  EXPECT_THAT(refusal(), AllOf(HasSubstr("classes.txt"), HasSubstr("UTF-16")));
  text("classes.txt", "K\xfche\n");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("classes.txt"), HasSubstr("line 1 is no UTF-8"), HasSubstr("0xfc")));
}

TEST_F(YoloNamesTest, WithoutNamesTheyAreAskedFor) {
  EXPECT_THAT(refusal(), AllOf(HasSubstr("classes.txt"), HasSubstr("data.classes (--classes FILE)")));
  said_.classes = {"cat", "dog"};
  EXPECT_THAT(names(), ElementsAre("cat", "dog"));
  text("labels/a.txt", "2 0.5 0.5 0.2 0.2\n");
  read();
  EXPECT_THAT(errors(), AllOf(HasSubstr("data.classes has 2"), HasSubstr("labels/a.txt line 1 (2)")));
}

// LabelImg starts a classes.txt in each folder, and adds what it meets.
TEST_F(YoloNamesTest, FilesThatGoOnAreOne) {
  picture("images/day/b.png");
  text("labels/day/b.txt", "2 0.5 0.5 0.2 0.2\n");
  text("labels/classes.txt", "cat\ndog\n");
  text("labels/day/classes.txt", "cat\ndog\nbird\n");
  text("labels/predefined_classes.txt", "person\n");
  EXPECT_THAT(names(), ElementsAre("cat", "dog", "bird"));
  text("labels/day/classes.txt", "dog\ncat\nbird\n");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("labels/classes.txt"), HasSubstr("labels/day/classes.txt"),
                               HasSubstr("class 0 is \"cat\" and \"dog\""), HasSubstr("data.classes")));
}

TEST_F(YoloNamesTest, TwoClassesOfOneNameAreAnError) {
  text("classes.txt", "cat\ncat\n");
  read();
  EXPECT_THAT(errors(), AllOf(HasSubstr("same name"), HasSubstr("cat (1)")));
}

class YoloYamlTest : public YoloNamesTest {
 protected:
  std::string refusal_of(const std::string& yaml) {
    text("data.yaml", "train: images\n" + yaml);
    return message_of<DataError>([&] { locate(folder_.path()); });
  }
};

TEST_F(YoloYamlTest, NamesAreTexts) {
  text("data.yaml",
       "train: images\nnames: {0: yes, 1: 1.0, 2: 'null', 3: \" a \", 4: \"\\u732b\", 5: \"a\\nb\"}\n");
  EXPECT_THAT(names(), ElementsAre("yes", "1.0", "null", " a ", "猫", "a\nb"));
  text("data.yaml", "train: images\nnames: {0: cat, 3.0: dog}\nnc: 4\n");
  EXPECT_THAT(names(), ElementsAre("cat", "-", "-", "dog"));
  text("data.yaml", "train: images\nnames: [cat, dog]\nnc: 3\n");
  EXPECT_THAT(names(), ElementsAre("cat", "dog"));
  EXPECT_THAT(warnings(), HasSubstr("data.yaml (3, 2 names)"));
}

TEST_F(YoloYamlTest, NamesBesideTheYaml) {
  text("classes.txt", "cat\ndog\n");
  text("data.yaml", "train: images\nnc: 2\n");
  EXPECT_THAT(names(), ElementsAre("cat", "dog"));
  text("classes.txt", "dog\ncat\n");
  text("data.yaml", "names: [cat, dog]\n");
  EXPECT_THAT(names(), ElementsAre("cat", "dog")) << "a yaml without parts has the names all the same";
}

TEST_F(YoloYamlTest, NamesThatDoNotCountAndDifferAreSaid) {
  const std::string cat_dog = "train: images\nnames: [cat, dog]\n";
  text("data.yaml", cat_dog);
  for (const char* same : {"cat\ndog\n", "cat\n", "0 cat\n1 dog\n2 bird\n", ""}) {
    text("classes.txt", same);
    names();
    EXPECT_EQ(errors() + warnings(), "") << same;
  }
  text("predefined_classes.txt", "person\n");
  names();
  EXPECT_EQ(warnings(), "") << "LabelImg's list does not count beside another";
  text("classes.txt", "dog\ncat\n");
  for (const char* yaml : {"train: images\nnames: [cat, dog]\n", "names: [cat, dog]\n"}) {
    text("data.yaml", yaml);
    EXPECT_THAT(names(), ElementsAre("cat", "dog"));
    EXPECT_THAT(warnings(),
                AllOf(HasSubstr("for data.yaml does"), HasSubstr("/classes.txt (class 0 is \"dog\" there"),
                      HasSubstr("\"cat\" in data.yaml"), Not(HasSubstr("person"))));
  }
  text("classes.txt", "K\xfche\n");
  names();
  EXPECT_THAT(warnings(), AllOf(HasSubstr("does not count"), HasSubstr("no UTF-8")));

  text("classes.txt", "cat\ndog\n");
  text("data.yaml", cat_dog);
  text("other.yaml", cat_dog);
  names();
  EXPECT_EQ(errors() + warnings(), "");
  text("other.yaml", "train: images\nnames: [dog, cat]\n");
  EXPECT_THAT(names(), ElementsAre("cat", "dog"));
  EXPECT_THAT(warnings(), HasSubstr("other.yaml (class 0 is \"dog\" there, \"cat\" in data.yaml)"));
}

TEST_F(YoloYamlTest, YamlsThatAreAlikeAndContradictNameNothing) {
  text("a.yaml", "names: [cat, dog]\n");
  text("b.yaml", "names: [cat, dog]\n");
  EXPECT_THAT(names(), ElementsAre("cat", "dog"));
  text("b.yaml", "names: [dog, cat]\n");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("a.yaml and b.yaml contradict"), HasSubstr("data.classes")));
  text("classes.txt", "cat\ndog\n");
  EXPECT_THAT(names(), ElementsAre("cat", "dog"));
  EXPECT_THAT(warnings(), HasSubstr("b.yaml (class 0"));
}

TEST_F(YoloYamlTest, DarknetsNamesCountBeforeOthers) {
  text("obj.names", "cat\ndog\n");
  text("obj.data", "names = obj.names\n");
  text("classes.txt", "dog\ncat\n");
  EXPECT_THAT(names(), ElementsAre("cat", "dog"));
  EXPECT_THAT(warnings(), AllOf(HasSubstr("classes.txt (class 0"), HasSubstr("\"cat\" in obj.names")));
}

TEST_F(YoloYamlTest, AYamlThatMayBeTheDataSetsIsNotPassedOverInSilence) {
  const auto refused = [&] { return message_of<DataError>([&] { locate(folder_.path()); }); };
  for (const char* broken : {"names: [cat, dog\n", "train: images\nval: [images\n"}) {
    text("data.yaml", broken);
    EXPECT_THAT(refused(), AllOf(HasSubstr("data.yaml: line"), HasSubstr("no yaml"))) << broken;
  }
  text("other.yaml", "names: [cat, dog]\n");
  text("data.yaml", "names: [dog, cat\n");
  EXPECT_THAT(refused(), AllOf(HasSubstr("data.yaml: line"), HasSubstr("no yaml"))) << "it would count";
  text("data.yaml", "names: [cat, dog]\n");
  text("other.yaml", "names: [dog, cat\n");
  EXPECT_THAT(names(), ElementsAre("cat", "dog"));
  EXPECT_THAT(warnings(), AllOf(HasSubstr("passed over"), HasSubstr("other.yaml: line")));
  std::filesystem::remove(place("data.yaml"));
  EXPECT_THAT(refusal(),
              AllOf(HasSubstr("nothing says"), HasSubstr("other.yaml: line"), HasSubstr("no yaml")));
  EXPECT_THAT(message_of<DataError>([&] { locate(place("other.yaml")); }), HasSubstr("no yaml"));
}

TEST_F(YoloYamlTest, WrongValuesAreNamedWithTheirLine) {
  EXPECT_THAT(refusal_of("names: [cat, [dog]]\n"),
              AllOf(HasSubstr("data.yaml: line 2"), HasSubstr("no text")));
  EXPECT_THAT(refusal_of("names:\n  0: cat\n  0: dog\n"), AllOf(HasSubstr("line 4"), HasSubstr("two names")));
  EXPECT_THAT(refusal_of("names:\n  cat: 0\n"),
              AllOf(HasSubstr("line 3"), HasSubstr("whole number"), HasSubstr("cat")));
  EXPECT_THAT(refusal_of("names: [cat, ~]\n"), HasSubstr("no name"));
  EXPECT_THAT(refusal_of("names: {100000000000: cat}\n"), HasSubstr("100000000000"));
  EXPECT_THAT(refusal_of("names: cat\n"), HasSubstr("must be a list"));
  EXPECT_THAT(refusal_of("names: [cat]\nnames: [dog]\n"), AllOf(HasSubstr("line 3"), HasSubstr("twice")));
  EXPECT_THAT(refusal_of("names: [cat]\nnc: many\n"), HasSubstr("not many"));
  EXPECT_THAT(refusal_of("names: [cat]\nyolo_lines: boxes\n"), HasSubstr("not boxes"));
  EXPECT_THAT(refusal_of("names: [cat]\nkpt_shape: [17]\n"), HasSubstr("kpt_shape must be"));
  EXPECT_THAT(refusal_of("names: [cat]\nkpt_shape: [17, 4]\n"), HasSubstr("[17, 4]"));
  EXPECT_THAT(refusal_of("names: [cat]\n\tval: images\n"), AllOf(HasSubstr("line 3"), HasSubstr("no yaml")));
}

TEST_F(YoloYamlTest, AliasesAndDepthDoNoHarm) {
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c <= 'z'; ++c) {
    const char before = static_cast<char>(c - 1);
    bomb += fmt::format("{0}: &{0} [*{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}]\n", c, before);
  }
  text("data.yaml", bomb + "train: images\nnames: [cat]\n");
  EXPECT_THAT(names(), ElementsAre("cat"));
  EXPECT_THAT(refusal_of(bomb + "names: *z\n"), HasSubstr("no text"));
  EXPECT_THAT(refusal_of("names: [cat]\nval: &v [*v]\n"), HasSubstr("val must be"));
  EXPECT_THAT(refusal_of("names: " + std::string(100'000, '[') + "\n"), HasSubstr("data.yaml"));
  EXPECT_THAT(refusal_of("names: " + std::string(100'000, '{') + "\n"), HasSubstr("data.yaml"));
}

}  // namespace
}  // namespace rcnn::data
