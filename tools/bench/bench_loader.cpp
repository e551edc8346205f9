// Times data::Loader: images a second, their headers alone, decoded, and made the network's input. The time
// of all processors is told beside them, for it says more where others use the machine too.
//
//     bench_loader [FOLDER] [--workers N] [--batch N] [--images N] [--rounds N]
//
// Without FOLDER it draws photographic textures of 640 x 480, JPEGs of COCO's mean size, 160 kB.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <CLI/CLI.hpp>

#include <rcnn/data/images/find_images.h>
#include <rcnn/data/images/image.h>
#include <rcnn/data/loading/loader.h>
#include <rcnn/nn/pixels.h>

#include "data/record_list.h"

namespace rcnn::bench {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct Arguments {
  fs::path folder;
  int64_t workers = 2;
  int64_t batch = 8;
  int64_t images = 400;  ///< a round; files are read again when there are fewer
  int64_t rounds = 5;
};

/// A folder of drawn images that goes with the object.
class DrawnImages {
 public:
  explicit DrawnImages(int64_t count) {
    std::string name = (fs::temp_directory_path() / "bench_loader.XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw Error(name + ": cannot be made", 1);
    path_ = name;
    at::manual_seed(0);
    for (int64_t i = 0; i < count; ++i)
      data::write_image(path_ / (std::to_string(i) + ".jpg"), texture(480, 640));
  }
  ~DrawnImages() { fs::remove_all(path_); }
  DrawnImages(const DrawnImages&) = delete;
  DrawnImages& operator=(const DrawnImages&) = delete;

  const fs::path& path() const { return path_; }

 private:
  /// Noise whose amplitude falls with its frequency, as in photographs.
  static at::Tensor texture(int64_t height, int64_t width) {
    auto image = at::full({1, 3, height, width}, 128.);
    for (int64_t cell = 64; cell >= 1; cell /= 2) {
      const auto noise = at::randn({1, 3, height / cell + 1, width / cell + 1});
      image += at::upsample_bicubic2d(noise, {height, width}, false) * (7 + 0.4 * static_cast<double>(cell));
    }
    return image.clamp(0, 255).to(at::kByte).squeeze(0).permute({1, 2, 0}).contiguous();
  }

  fs::path path_;
};

std::shared_ptr<data::Dataset> dataset_of(const fs::path& folder, int64_t count) {
  const auto files = data::find_images({folder});
  std::vector<data::Record> records;
  for (int64_t i = 0; i < count; ++i) {
    const auto& file = files[static_cast<size_t>(i) % files.size()].path;
    records.push_back({.id = std::to_string(i), .image = file, .objects = {}});
  }
  return std::make_shared<data::RecordList>(std::move(records), std::vector<Category>{});
}

struct Speed {
  double images = 0;        ///< a second
  double milliseconds = 0;  ///< of all processors, an image
};

/// Over `count` images that `use` takes.
template <class Use>
Speed measure(int64_t count, Use use) {
  const auto start = Clock::now();
  const std::clock_t processors = std::clock();
  use();
  const auto images = static_cast<double>(count);
  return {images / std::chrono::duration<double>(Clock::now() - start).count(),
          1000. * static_cast<double>(std::clock() - processors) / CLOCKS_PER_SEC / images};
}

/// One line: the rounds' median, least and most after a round to warm up.
template <class Use>
void report(const std::string& what, const Arguments& arguments, int64_t count, Use use) {
  std::vector<double> images, milliseconds;
  for (int64_t round = 0; round <= arguments.rounds; ++round) {
    const Speed speed = measure(count, [&] { use(round); });
    if (round == 0) continue;
    images.push_back(speed.images);
    milliseconds.push_back(speed.milliseconds);
  }
  std::ranges::sort(images);
  std::ranges::sort(milliseconds);
  const size_t middle = images.size() / 2;
  std::printf("%-32s %7.1f images/s (%.1f .. %.1f), %5.2f ms of processors an image\n", what.c_str(),
              images[middle], images.front(), images.back(), milliseconds[middle]);
  std::fflush(stdout);
}

void bench_loader(const Arguments& arguments) {
  std::optional<DrawnImages> drawn;
  if (arguments.folder.empty()) drawn.emplace(16);
  const auto dataset = dataset_of(drawn ? drawn->path() : arguments.folder, arguments.images);
  std::printf("%ld workers, batches of %ld, %d threads for the network's input\n", arguments.workers,
              arguments.batch, at::get_num_threads());

  std::vector<fs::path> files;
  for (int64_t i = 0; i < dataset->size(); ++i) files.push_back(dataset->record(i).image);
  report("headers", arguments, arguments.images,
         [&](int64_t) { data::image_infos(files, arguments.workers); });

  const auto epochs = [&](const std::string& what, const data::TransformOptions& transform, auto use) {
    data::Loader loader(dataset, transform, {.batch_size = arguments.batch, .workers = arguments.workers});
    report(what, arguments, arguments.images, [&](int64_t epoch) {
      data::Batch batch;
      for (loader.start(epoch); loader.next(batch);) use(batch.images);
    });
  };
  const auto resize = [](const ImageBatch& batch) { nn::network_input(batch, {}, 32, at::kFloat); };
  epochs("decoded", {}, [](const ImageBatch&) {});
  epochs("decoded and resized to 480", {.min_size = 480, .max_size = 800, .flip = 0.5}, resize);
  epochs("decoded and resized to 800", {.flip = 0.5}, resize);

  data::Loader loader(dataset, {}, {.batch_size = arguments.batch, .workers = 0});
  data::Batch batch;
  loader.start(0);
  loader.next(batch);
  for (const auto& [peer, how] : {std::pair{"torchvision", Resize::torchvision},
                                  {"Pillow", Resize::pillow},
                                  {"OpenCV", Resize::opencv}}) {
    report(std::string("resized to 800 as by ") + peer, arguments, std::ssize(batch.images.images),
           [&](int64_t) { nn::network_input(batch.images, {.resize = how}, 32, at::kFloat); });
  }
}

}  // namespace
}  // namespace rcnn::bench

int main(int count, char** arguments) {
  CLI::App app("Times the loader: images a second, decoded, and decoded and resized.");
  rcnn::bench::Arguments options;
  app.add_option("folder", options.folder, "a folder of images; drawn ones when absent");
  app.add_option("--workers", options.workers, "threads that decode")->capture_default_str();
  app.add_option("--batch", options.batch, "images a batch")->capture_default_str();
  app.add_option("--images", options.images, "images a round")->capture_default_str();
  app.add_option("--rounds", options.rounds, "rounds, whose median is told")->capture_default_str();
  CLI11_PARSE(app, count, arguments);
  try {
    rcnn::bench::bench_loader(options);
  } catch (const rcnn::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return error.exit_code();
  }
}
