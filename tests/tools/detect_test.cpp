// What `rcnn detect` writes and says, with weights that were never trained.

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/mount.h>
#include <sys/stat.h>
#include <torch/torch.h>
#include <unistd.h>

#include <rcnn/data/images/image.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/nn/weights/weights.h>

#include "tests/support/german_locale.h"
#include "tests/tools/rcnn.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

/// The paths of all files below a folder, sorted.
std::vector<std::string> files_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_directory()) names.push_back(entry.path().lexically_relative(folder));
  }
  std::ranges::sort(names);
  return names;
}

class DetectTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<TempFolder>();
    tools::draw_scenes(shared_->path() / "scenes", {.train = 3, .test = 0, .size = {64, 96}});
    std::vector<Category> categories;
    for (const char* name : {"circle", "cross", "square", "star", "triangle"}) {
      categories.push_back({.id = 10 * (std::ssize(categories) + 1), .name = name});
    }
    const auto model = tiny_model(5);
    {
      const torch::NoGradGuard no_grad;  // so that nothing is background, and scores differ
      const auto state = nn::state_of(*model);
      at::Tensor(state.at("roi_heads.box_predictor.cls_score.weight")).mul_(100);
      at::Tensor(state.at("roi_heads.box_predictor.cls_score.bias"))[0] -= 20;
    }
    nn::save_model(weights(), {model, categories, config::Config::parse(tiny_config(), "here")});
  }
  static void TearDownTestSuite() { shared_.reset(); }

  static fs::path weights() { return shared_->path() / "weights.safetensors"; }
  static std::string scene(int number) {
    return file_bytes(shared_->path() / "scenes" / "JPEGImages" /
                      ("scene_0000" + std::to_string(number) + ".jpg"));
  }
  std::vector<std::string> arguments(const std::vector<std::string>& words) const {
    std::vector<std::string> all = {"detect", "--device", "cpu", "--weights", weights(), "--output", output_};
    all.insert(all.end(), words.begin(), words.end());
    return all;
  }
  Finished detect(const std::vector<std::string>& words) const { return run_rcnn(arguments(words)); }
  Json found() const { return Json::parse(file_bytes(output_ / "detections.json")); }

  static std::unique_ptr<TempFolder> shared_;
  const TempFolder folder_;
  const fs::path photos_ = folder_.path() / "photos";
  const fs::path output_ = folder_.path() / "found";
};
std::unique_ptr<TempFolder> DetectTest::shared_;

TEST_F(DetectTest, DrawsAndLists) {
  const auto a = folder_.write("photos/a.jpg", scene(1)), b = folder_.write("photos/b.jpg", scene(2));
  const auto finished = detect({a, b, "--score", "0"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(finished.out, "");
  EXPECT_THAT(finished.err, AllOf(HasSubstr("objects on 2 images"), HasSubstr("images a second"),
                                  HasSubstr("decoding"), HasSubstr("network"), HasSubstr("drawing")));
  EXPECT_THAT(files_in(output_), ElementsAre("a.jpg", "b.jpg", "detections.json"));
  EXPECT_EQ(data::image_size(output_ / "a.jpg"), (ImageSize{64, 96}));
  const auto list = found();
  ASSERT_GT(list.size(), 4u);
  std::set<std::pair<int64_t, std::string>> images;
  for (const auto& entry : list) {
    images.emplace(entry.at("image_id").get<int64_t>(), entry.at("file_name").get<std::string>());
    EXPECT_EQ(entry.at("bbox").size(), 4u);
    EXPECT_EQ(entry.at("category_id").get<int64_t>() % 10, 0);
  }
  EXPECT_THAT(images, ElementsAre(std::pair(1, a.string()), std::pair(2, b.string())));
}

#ifdef __x86_64__
// ONEDNN_MAX_CPU_ISA makes oneDNN take this processor for an older one.
TEST_F(DetectTest, Bfloat16WithoutInstructionsForItIsDoneAndSaidOnce) {
  const auto a = folder_.write("photos/a.jpg", scene(1)), b = folder_.write("photos/b.jpg", scene(2));
  const auto finished =
      run_program(RCNN_PROGRAM, arguments({a, b, "--score", "0", "--no-images", "--precision", "bf16"}),
                  {"ONEDNN_MAX_CPU_ISA=AVX2"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_GT(found().size(), 4u);
  const auto first = finished.err.find("warning: bf16: this processor has no instructions for bfloat16");
  ASSERT_NE(first, std::string::npos) << finished.err;
  EXPECT_EQ(finished.err.find("warning: ", first + 1), std::string::npos) << finished.err;
}
#endif

TEST_F(DetectTest, KeepsTheFoldersBelowAnInputAndNamesApart) {
  for (const char* name : {"x.jpg", "x.png", "a/x.jpg", "a/b/x.jpg", "a/crops/star/x.jpg"})
    folder_.write(fs::path("photos") / name, scene(1));
  ASSERT_EQ(detect({photos_}).exit_code, 0);
  EXPECT_THAT(files_in(output_), ElementsAre("detections.json", "x.jpg", "x_2.jpg"));
  fs::remove_all(output_);
  ASSERT_EQ(detect({photos_, "--recursive"}).exit_code, 0);
  EXPECT_THAT(files_in(output_), ElementsAre("a/b/x.jpg", "a/crops/star/x.jpg", "a/x.jpg", "detections.json",
                                             "x.jpg", "x_2.jpg"));
}

TEST_F(DetectTest, TakesPatternsAndAList) {
  const auto a = folder_.write("photos/a.jpg", scene(1)), b = folder_.write("photos/deep/b.jpg", scene(2));
  ASSERT_EQ(detect({photos_ / "**" / "b*.jpg"}).exit_code, 0);
  EXPECT_THAT(files_in(output_), ElementsAre("deep/b.jpg", "detections.json"));
  fs::remove_all(output_);
  const auto list = folder_.write("list.txt", b.string() + "\n" + a.string() + "\n");
  const auto finished = run_program(
      "/bin/sh", {"-c", std::string(RCNN_PROGRAM) + " detect - --device cpu --weights " + weights().string() +
                            " --output " + output_.string() + " < " + list.string()});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(files_in(output_), ElementsAre("a.jpg", "b.jpg", "detections.json"));
}

TEST_F(DetectTest, WritesWhatItIsToldTo) {
  const auto a = folder_.write("photos/a.b.jpg", scene(1));
  ASSERT_EQ(detect({a, "--no-images", "--csv", "--crops", "--score", "0.1", "--max", "3"}).exit_code, 0);
  const auto list = found();
  ASSERT_THAT(list, SizeIs(3));
  std::vector<std::string> expected = {"detections.csv", "detections.json"};
  for (size_t i = 0; i < list.size(); ++i) {
    expected.push_back("crops/" + list[i].at("category_name").get<std::string>() + "/a.b_" +
                       std::to_string(i + 1) + ".jpg");
    const auto size = data::image_size(output_ / expected.back());
    const auto& bbox = list[i].at("bbox");
    EXPECT_NEAR(static_cast<double>(size.width), bbox[2].get<double>(), 2);
    EXPECT_NEAR(static_cast<double>(size.height), bbox[3].get<double>(), 2);
  }
  std::ranges::sort(expected);
  EXPECT_EQ(files_in(output_), expected);
  const auto table = file_bytes(output_ / "detections.csv");
  EXPECT_EQ(std::ranges::count(table, '\n'), 4);
  EXPECT_THAT(table, HasSubstr("\n" + a.string() + ","));

  fs::remove_all(output_);
  ASSERT_EQ(detect({a, "--no-images"}).exit_code, 0);
  EXPECT_THAT(files_in(output_), ElementsAre("detections.json"));
}

TEST_F(DetectTest, ReportsWhatIsAskedFor) {
  const auto a = folder_.write("photos/a.jpg", scene(1));
  const auto with = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {a.string(), "--no-images"});
    const auto finished = detect(words);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return found();
  };
  EXPECT_EQ(with({"--score", "1"}), Json::array());
  const auto all = with({"--score", "0.05"});
  ASSERT_GT(all.size(), 4u);
  const auto high = with({"--score", "0.3"});
  EXPECT_LT(high.size(), all.size());
  for (const auto& entry : high) EXPECT_GT(entry.at("score").get<double>(), 0.3);
  EXPECT_THAT(with({"--score", "0.05", "--max", "2"}), SizeIs(2));
  EXPECT_GT(with({"--score", "0.05", "--nms", "1"}).size(), all.size());
  // What overlaps a little is lowered, too: more than hard NMS leaves, with other scores, or less.
  EXPECT_NE(with({"--score", "0.05", "--soft-nms", "gaussian"}), all);
  EXPECT_GT(with({"--score", "0.05", "--soft-nms", "linear", "--nms", "0.3"}).size(),
            with({"--score", "0.05", "--nms", "0.3"}).size());

  const auto name = all[0].at("category_name").get<std::string>();
  const auto id = all[0].at("category_id").get<int64_t>();
  for (const auto& word : {name, std::to_string(id)}) {
    const auto some = with({"--score", "0.05", "--classes", word});
    EXPECT_GT(some.size(), 0u);
    for (const auto& entry : some) EXPECT_EQ(entry.at("category_id"), id);
  }
  EXPECT_EQ(with({"--score", "0.05", "--classes", "circle,cross,square,30,star,triangle"}), all);
}

TEST_F(DetectTest, ABatchGivesWhatSingleImagesGive) {
  for (int i = 1; i <= 3; ++i) folder_.write("photos/" + std::to_string(i) + ".jpg", scene(i));
  ASSERT_EQ(detect({photos_, "--no-images"}).exit_code, 0);
  const auto single = found();
  ASSERT_EQ(detect({photos_, "--no-images", "--batch", "2", "--threads", "1"}).exit_code, 0);
  const auto batched = found();
  ASSERT_EQ(single.size(), batched.size());
  for (size_t i = 0; i < single.size(); ++i) {
    EXPECT_EQ(single[i].at("file_name"), batched[i].at("file_name"));
    EXPECT_NEAR(single[i].at("score").get<double>(), batched[i].at("score").get<double>(), 1e-3);
  }
}

TEST_F(DetectTest, LooksSeveralTimes) {
  const auto a = folder_.write("photos/a.jpg", scene(1));
  const auto once = [&] {
    EXPECT_EQ(detect({a, "--no-images", "--score", "0.2"}).exit_code, 0);
    return found();
  }();
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--flip"},
        {"--scales", "48,64,96"},
        {"--tile", "48", "--overlap", "0.3"},
        {"--flip", "--scales", "48,64", "--tile", "64", "--batch", "4"}}) {
    auto all = words;
    all.insert(all.begin(), {a.string(), "--no-images", "--score", "0.2"});
    const auto finished = detect(all);
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_NE(found(), once) << testing::PrintToString(words);
    for (const auto& entry : found()) {
      const auto& bbox = entry.at("bbox");
      EXPECT_LE(bbox[0].get<double>() + bbox[2].get<double>(), 96 + 1e-3);
      EXPECT_LE(bbox[1].get<double>() + bbox[3].get<double>(), 64 + 1e-3);
    }
  }
}

TEST_F(DetectTest, OddFilesAreUsedAndEachKindIsSaidOnce) {
  const auto jpeg = scene(1);
  for (const char* name : {"a.jpg", "b.jpg"}) {
    folder_.write(fs::path("photos") / name,
                  jpeg.substr(0, jpeg.size() - 2) + std::string(258, '\0') + "\xff\xd9");
  }
  for (const char* name : {"._a.jpg", "__MACOSX/._a.jpg", "@eaDir/a.jpg", ".ipynb_checkpoints/a.jpg"})
    folder_.write(fs::path("photos") / name, "no image");
  folder_.write("photos/c.tif", file_bytes(RCNN_FIXTURES "/images/image_header/pages.tif"));
  const auto finished = detect({photos_, "--recursive", "--score", "0"});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(files_in(output_), ElementsAre("a.jpg", "b.jpg", "c.jpg", "detections.json"));
  EXPECT_THAT(finished.err,
              AllOf(HasSubstr((photos_ / "a.jpg").string() + ": a JPEG with spare bytes"),
                    HasSubstr((photos_ / "c.tif").string() + ": an image file of several pages"),
                    Not(HasSubstr((photos_ / "b.jpg").string()))));
}

TEST_F(DetectTest, AnImageThatCannotBeReadDoesNotStopTheOthers) {
  const auto a = folder_.write("photos/a.jpg", scene(1)), bad = folder_.write("photos/bad.jpg", "no image"),
             cut = folder_.write("photos/cut.jpg", scene(1).substr(0, 500)),
             z = folder_.write("photos/z.jpg", scene(2));
  for (const char* batch : {"1", "4"}) {
    const auto finished = detect({photos_, "--score", "0", "--batch", batch});
    EXPECT_EQ(finished.exit_code, 3);
    EXPECT_EQ(finished.out, "");
    EXPECT_THAT(finished.err,
                AllOf(HasSubstr("warning: " + bad.string()), HasSubstr("warning: " + cut.string()),
                      HasSubstr("warning: 2 of 4 images failed")));
    EXPECT_THAT(files_in(output_), ElementsAre("a.jpg", "detections.json", "z.jpg"));
    std::set<int64_t> ids;
    for (const auto& entry : found()) ids.insert(entry.at("image_id").get<int64_t>());
    EXPECT_THAT(ids, ElementsAre(1, 4));  // places in the list, whatever fails
  }
}

TEST_F(DetectTest, APictureThatCannotBeWrittenDoesNotStopTheOthers) {
  const TempFolder outside;
  const auto precious = outside.write("a.jpg", "precious");
  folder_.write("photos/in/a.jpg", scene(1)), folder_.write("photos/b.jpg", scene(2));
  folder_.write("photos/c.jpg", scene(3));
  fs::create_directories(output_);
  fs::create_directory_symlink(outside.path(), output_ / "in");
  fs::create_symlink(precious, output_ / "c.jpg");
  const auto finished = detect({photos_, "--recursive", "--score", "0"});
  EXPECT_EQ(finished.exit_code, 3);
  EXPECT_THAT(finished.err, HasSubstr("leads out of the output folder"));
  EXPECT_EQ(file_bytes(precious), "precious");
  EXPECT_EQ(data::image_size(output_ / "c.jpg"), (ImageSize{64, 96}));
  std::set<std::string> names;
  for (const auto& entry : found()) names.insert(entry.at("file_name").get<std::string>());
  EXPECT_THAT(names, SizeIs(3));
}

TEST_F(DetectTest, NeverWritesAmongItsImages) {
  const auto image = folder_.write("photos/street.jpg", scene(1));
  const auto deep = folder_.write("photos/sub/deep.jpg", scene(1));
  for (const auto& output : {photos_, photos_ / "." / "", folder_.path()}) {
    const auto finished =
        run_rcnn({"detect", photos_, "--recursive", "--weights", weights(), "--output", output});
    EXPECT_THAT(error_of(finished, 2),
                AllOf(HasSubstr("--output"), HasSubstr(".jpg lies there"), HasSubstr("name another folder")));
  }
  // Below the images it may lie, but what it wrote there is no image of the next run.
  const std::vector<std::string> below = {"detect",    photos_,   "--recursive", "--device",       "cpu",
                                          "--weights", weights(), "--output",    photos_ / "found"};
  EXPECT_EQ(run_rcnn(below).exit_code, 0);
  EXPECT_THAT(error_of(run_rcnn(below), 2), HasSubstr("lies there"));
  EXPECT_EQ(file_bytes(image), scene(1));
  EXPECT_EQ(file_bytes(deep), scene(1));
}

TEST_F(DetectTest, NeverWritesThroughLinksOntoItsImages) {
  const auto real = folder_.write("found/a.jpg", scene(1));
  fs::create_directories(photos_);
  fs::create_symlink("../found/a.jpg", photos_ / "a.jpg");
  fs::create_directory_symlink("found", folder_.path() / "linked");
  fs::create_symlink("photos/a.jpg", folder_.path() / "twice.jpg");
  for (const auto& input :
       {photos_, photos_ / "a.jpg", folder_.path() / "linked", folder_.path() / "twice.jpg"}) {
    EXPECT_THAT(error_of(detect({input}), 2), HasSubstr("lies there and could be overwritten")) << input;
  }
  EXPECT_EQ(file_bytes(real), scene(1));
  EXPECT_THAT(files_in(output_), ElementsAre("a.jpg"));

  // A second name of the file leads into the folder without a link.
  fs::remove(photos_ / "a.jpg");
  fs::create_hard_link(real, photos_ / "a.jpg");
  folder_.write("photos/b.jpg", scene(2));
  const auto finished = detect({photos_});
  EXPECT_EQ(finished.exit_code, 3);
  EXPECT_THAT(finished.err, AllOf(HasSubstr(real.string() + ": it is an image that is read"),
                                  HasSubstr("objects on 2 images"), HasSubstr("pictures of 1 images")));
  EXPECT_EQ(file_bytes(real), scene(1));
}

TEST_F(DetectTest, ListsReplaceOnlyPlainFilesAndKeepTheirModes) {
  const auto a = folder_.write("photos/a.jpg", scene(1)), other = folder_.write("other.json", "mine");
  fs::create_directories(output_);
  const auto list = output_ / "detections.json", table = output_ / "detections.csv";
  ASSERT_EQ(mkfifo(list.c_str(), 0600), 0);
  EXPECT_THAT(error_of(detect({a}), 2), HasSubstr("detections.json: is a pipe"));
  EXPECT_TRUE(fs::is_fifo(list));
  fs::remove(list);
  fs::create_symlink(other, table);
  EXPECT_THAT(error_of(detect({a, "--csv"}), 2), HasSubstr("detections.csv: is a link"));
  EXPECT_EQ(file_bytes(other), "mine");
  fs::remove(table);
  folder_.write("found/detections.json", "an earlier run");
  fs::permissions(list, fs::perms(0600));
  EXPECT_EQ(detect({a, "--csv", "--score", "0"}).exit_code, 0);
  EXPECT_GT(found().size(), 1u);
  EXPECT_EQ(fs::status(list).permissions(), fs::perms(0600));
  EXPECT_THAT(files_in(output_), ElementsAre("a.jpg", "detections.csv", "detections.json"));
  // The weights may be named like anything.
  fs::copy_file(weights(), output_ / "detections.json", fs::copy_options::overwrite_existing);
  EXPECT_THAT(error_of(run_rcnn({"detect", a, "--weights", list, "--output", output_}), 2),
              HasSubstr("is read by this command"));
}

TEST_F(DetectTest, ARunThatFailsAtItsStartLeavesAnEarlierList) {
  const auto a = folder_.write("photos/a.jpg", scene(1));
  folder_.write("found/detections.json", "an earlier run");
  EXPECT_NE(run_rcnn({"detect", a, "--weights", "gone.safetensors", "--output", output_}).exit_code, 0);
  EXPECT_NE(detect({a, "--classes", "circel"}).exit_code, 0);
  EXPECT_NE(detect({a, "--device", "tpu"}).exit_code, 0);
  EXPECT_EQ(file_bytes(output_ / "detections.json"), "an earlier run");
  EXPECT_THAT(files_in(output_), ElementsAre("detections.json"));
}

TEST_F(DetectTest, APictureTooWideForAJpegIsAPng) {
  for (const ImageSize size : {ImageSize{32, 70'000}, ImageSize{65'501, 20}, ImageSize{20, 65'500}}) {
    const auto wide = photos_ / "wide.png";
    fs::create_directories(photos_);
    data::write_image(wide, torch::full({size.height, size.width, 3}, 90, at::kByte));
    const auto finished = detect({wide, "--score", "0"});
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr("objects on 1 images"));
    const auto* const name = size.width == 65'500 ? "wide.jpg" : "wide.png";
    EXPECT_THAT(files_in(output_), ElementsAre("detections.json", name));
    EXPECT_EQ(data::image_size(output_ / name), size);
    fs::remove_all(output_);
  }
}

/// A small disk of its own, where the tests may make one.
class SmallDisk {
 public:
  SmallDisk(const fs::path& folder, const std::string& options) : folder_(folder) {
    fs::create_directories(folder);
    mounted_ = mount("tmpfs", folder.c_str(), "tmpfs", 0, options.c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount2(folder_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }
  void make_read_only() const { mount("tmpfs", folder_.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr); }

 private:
  const fs::path folder_;
  bool mounted_ = false;
};

/// What is left of a run that ended early: whole pictures, a whole list of the first images in their order,
/// and whole lines. Returns how many images are listed.
size_t check_what_is_left(const fs::path& output) {
  std::set<std::string> pictures;
  for (const auto& name : files_in(output)) {
    if (name.find(".tmp.") != std::string::npos || name.starts_with("detections")) continue;
    EXPECT_NO_THROW(data::read_image(output / name)) << name;
    pictures.insert(fs::path(name).stem());
  }
  const auto list = Json::parse(file_bytes(output / "detections.json"));
  std::vector<int64_t> ids;
  std::set<std::string> listed;
  for (const auto& entry : list) {
    ids.push_back(entry.at("image_id").get<int64_t>());
    listed.insert(fs::path(entry.at("file_name").get<std::string>()).stem());
  }
  EXPECT_TRUE(std::ranges::is_sorted(ids));
  ids.erase(std::ranges::unique(ids).begin(), ids.end());
  for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(ids[i], static_cast<int64_t>(i) + 1);
  EXPECT_TRUE(std::ranges::includes(listed, pictures));  // each that was drawn
  const auto table = file_bytes(output / "detections.csv");
  EXPECT_TRUE(table.ends_with('\n'));
  EXPECT_GE(std::ranges::count(table, '\n'), std::ssize(list));
  return listed.size();
}

TEST_F(DetectTest, KilledItLeavesWhatItFound) {
  for (int i = 0; i < 3000; ++i) folder_.write("photos/" + std::to_string(i) + ".jpg", scene(1 + i % 3));
  for (const char* last : {"0.jpg", "1004.jpg", "1010.jpg"}) {  // in the order of their names
    RunningProgram running(RCNN_PROGRAM, arguments({photos_, "--score", "0", "--csv"}));
    for (int waits = 0; waits < 60'000 && !fs::exists(output_ / last); ++waits) usleep(1000);
    running.send(SIGKILL);
    EXPECT_EQ(running.finish().exit_code, 128 + SIGKILL);
    const auto listed = check_what_is_left(output_);
    EXPECT_GT(listed, 0u);
    EXPECT_LT(listed, 3000u);
    fs::remove_all(output_);
  }
}

TEST_F(DetectTest, AFullDiskEndsItWithOneMessage) {
  for (int i = 0; i < 500; ++i) folder_.write("photos/" + std::to_string(i) + ".jpg", scene(1 + i % 3));
  const SmallDisk disk(output_, "size=1m");
  if (!disk.mounted()) GTEST_SKIP() << "no disk can be mounted here";
  const auto finished = detect({photos_, "--score", "0", "--csv"});
  EXPECT_THAT(error_of(finished, 3), AllOf(HasSubstr("No space left on device"), HasSubstr("ended after"),
                                           HasSubstr("of 500 images")));
  const auto listed = check_what_is_left(output_);
  EXPECT_GT(listed, 20u);
  EXPECT_LT(listed, 500u);
  for (const auto& name : files_in(output_)) {
    EXPECT_EQ(name.find(".tmp."), std::string::npos) << name;
    EXPECT_GT(fs::file_size(output_ / name), 0u) << name;
  }
}

TEST_F(DetectTest, AFileThatMayNotGrowEndsItWithOneMessage) {
  for (int i = 0; i < 100; ++i) folder_.write("photos/" + std::to_string(i) + ".jpg", scene(1 + i % 3));
  std::string words;
  for (const auto& word : arguments({photos_, "--no-images", "--score", "0", "--csv"})) words += " " + word;
  const auto finished =  // the JIT of a math library may write more
      run_program("/bin/sh", {"-c", "ulimit -f 64 && exec " + std::string(RCNN_PROGRAM) + words});
  EXPECT_THAT(error_of(finished, 3), AllOf(HasSubstr("File too large"), HasSubstr("ended after")));
  EXPECT_GT(check_what_is_left(output_), 0u);
}

TEST_F(DetectTest, LooksAtTheDiskBeforeItStarts) {
  const auto a = folder_.write("photos/a.jpg", scene(1));
  const SmallDisk disk(output_, "size=64k");
  if (!disk.mounted()) GTEST_SKIP() << "no disk can be mounted here";
  folder_.write("found/detections.json", "an earlier run");
  { std::ofstream(output_ / "full") << std::string(1 << 20, 'x'); }
  EXPECT_THAT(error_of(detect({a}), 3), AllOf(HasSubstr("detections.json"), Not(HasSubstr("ended after"))));
  EXPECT_EQ(file_bytes(output_ / "detections.json"), "an earlier run");
  disk.make_read_only();
  EXPECT_THAT(error_of(detect({a}), 3), AllOf(HasSubstr(output_.string()), HasSubstr("Read-only")));
  EXPECT_THAT(error_of(run_rcnn({"detect", a, "--weights", weights(), "--output", output_ / "below"}), 3),
              HasSubstr("Read-only"));
}

TEST_F(DetectTest, SaysWhatIsWrongWithItsWords) {
  const auto a = folder_.write("photos/a.jpg", scene(1));
  for (const auto& [words, said] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--classes", "circel"}, "--classes: there is no class 'circel'; did you mean circle?"},
           {{"--score", "2"}, "--score"},
           {{"--nms", "-1"}, "--nms"},
           {{"--soft-nms", "hard"}, "--soft-nms"},
           {{"--max", "0"}, "--max"},
           {{"--batch", "0"}, "--batch"},
           {{"--threads", "0"}, "--threads"},
           {{"--threads", "two"}, "--threads"},
           {{"--precision", "fp16"}, "--precision"},
           {{"--device", "tpu"}, "tpu"},
           {{"--scales", "600,5"}, "--scales"},
           {{"--tile", "3"}, "--tile"},
           {{"--overlap", "0.3"}, "--overlap requires --tile"},
           {{"--tile", "300", "--overlap", "1"}, "--overlap"}}) {
    auto all = words;
    all.push_back(a);
    // Without a --device of its own, for one of the cases names another.
    std::vector<std::string> line = {"detect", "--weights", weights(), "--output", output_};
    line.insert(line.end(), all.begin(), all.end());
    EXPECT_THAT(error_of(run_rcnn(line), 2), HasSubstr(said)) << testing::PrintToString(words);
  }
  EXPECT_FALSE(fs::exists(output_));
}

TEST_F(DetectTest, StoppedItWritesWhatItHas) {
  for (int i = 0; i < 3000; ++i) folder_.write("photos/" + std::to_string(i) + ".jpg", scene(1 + i % 3));
  for (const auto& [signal, code] : {std::pair(SIGINT, 130), std::pair(SIGTERM, 143)}) {
    RunningProgram running(RCNN_PROGRAM, arguments({photos_, "--score", "0"}));
    for (int waits = 0; waits < 60'000 && !fs::exists(output_ / "0.jpg"); ++waits) usleep(1000);
    running.send(signal);
    const auto finished = running.finish();
    EXPECT_EQ(finished.exit_code, code) << finished.err;
    EXPECT_THAT(finished.err,
                AllOf(HasSubstr("stops after the image in work"), HasSubstr("interrupted after")));
    std::set<std::string> images;
    for (const auto& entry : found()) images.insert(entry.at("file_name").get<std::string>());
    EXPECT_THAT(images, Not(IsEmpty()));
    EXPECT_LT(images.size(), 3000u);
    fs::remove_all(output_);
  }
}

TEST_F(DetectTest, RefusesImagesAndViewsAboveTheBound) {
  const auto image = (folder_.path() / "photos" / "large.png").string();
  fs::create_directories(photos_);
  data::write_image(image, at::full({1000, 1001, 3}, 128, at::kByte));
  auto finished = detect({image, "--no-images", "--max-megapixels", "1"});
  EXPECT_EQ(finished.exit_code, 3);
  EXPECT_THAT(finished.err, AllOf(HasSubstr("large.png: 1001 x 1000 pixels are more than 1 megapixels"),
                                  HasSubstr("--max-megapixels")));
  finished = detect({image, "--no-images", "--max-megapixels", "2", "--tile", "500"});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  finished = detect({image, "--no-images", "--scales", "16384"});
  EXPECT_EQ(finished.exit_code, 3);
  EXPECT_THAT(finished.err, AllOf(HasSubstr("large.png: its 1001 x 1000 pixels, seen by the network as"),
                                  HasSubstr("more than 100 megapixels"), HasSubstr("--scales")));
  EXPECT_THAT(error_of(detect({image, "--max-megapixels", "0"}), 2), HasSubstr("--max-megapixels"));
}

TEST_F(DetectTest, OfDamagedImagesTheDecodersSayNothingThemselves) {
  std::vector<std::string> inputs = {"--no-images"};
  for (const std::string ending : {".bmp", ".tif", ".jp2", ".ppm"}) {
    const auto whole = file_bytes(std::string(RCNN_FIXTURES "/images/image_header/color") + ending);
    auto damaged = whole;
    damaged.replace(damaged.size() / 2, damaged.size() / 2, damaged.size() / 2, '\x7f');
    inputs.push_back(folder_.write("photos/damaged" + ending, damaged));
    inputs.push_back(folder_.write("photos/cut" + ending, whole.substr(0, whole.size() * 2 / 3)));
  }
  const auto finished = detect(inputs);
  EXPECT_EQ(finished.exit_code, 3);
  EXPECT_THAT(finished.err,
              AllOf(HasSubstr("cut.bmp: is cut off"), Not(HasSubstr("OpenCV")), Not(HasSubstr("imdecode"))));
}

TEST_F(DetectTest, ADecimalCommaOfTheHostsLocaleChangesNothing) {
  const auto environment = GermanLocale::environment();
  if (environment.empty()) GTEST_SKIP() << GermanLocale::kNone;
  const auto a = folder_.write("photos/a.jpg", scene(1));
  const auto words =
      arguments({a, "--score", "0.05", "--nms", "0.45", "--csv", "--tile", "64", "--overlap", "0.25"});
  ASSERT_EQ(run_program(RCNN_PROGRAM, words).exit_code, 0);
  const auto list = file_bytes(output_ / "detections.json"), table = file_bytes(output_ / "detections.csv");
  ASSERT_GT(list.size(), 100u);
  fs::remove_all(output_);
  ASSERT_EQ(run_program(RCNN_PROGRAM, words, environment).exit_code, 0);
  EXPECT_EQ(file_bytes(output_ / "detections.json"), list);
  EXPECT_EQ(file_bytes(output_ / "detections.csv"), table);
}

}  // namespace
}  // namespace rcnn::tools
