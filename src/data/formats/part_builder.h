#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <rcnn/data/annotated_part.h>

namespace rcnn::data {

/// Gathers a part of a data set whose files say their classes by name, and number nothing else either.
class PartBuilder {
 public:
  /// `images` is the folder that the names of image files start from. Without details there is no details().
  PartBuilder(std::string name, std::filesystem::path images, bool with_details = true);

  /// Returns its place, for add_object(). `name` is what the data set calls the image: record ids are made
  /// from it.
  size_t add_image(std::string file_name, std::string name, ImageSize stated = {});
  size_t size() const { return part_.content.images.size(); }
  CocoImage& image(size_t place) { return part_.content.images[place]; }

  /// One object of an image: its box x, y, width, height in pixels, and where it stands in its file, from 1.
  /// Returns it for what else is known of it; its details are details(), until the next is added.
  CocoAnnotation& add_object(size_t image, const std::string& class_name, std::array<double, 4> box,
                             int32_t position);
  CocoDetails& details() { return part_.content.details.back(); }

  /// A class without an object so far.
  void add_class(const std::string& name) { class_place(name); }

  /// The part. Its categories are `known`, with their ids, then all others by name.
  AnnotatedPart take(const std::vector<Category>& known = {});

 private:
  int64_t class_place(const std::string& name);

  AnnotatedPart part_;
  bool with_details_;
  std::map<std::string, int64_t> places_;  // of names, in the order met
};

/// What the headers of a part's images say, by several threads. A file name that leads out of the folder of
/// images is not looked at: an error stands in its place.
std::vector<std::variant<ImageInfo, DataError>> read_headers(const std::vector<CocoImage>& images,
                                                             const std::filesystem::path& folder,
                                                             int64_t max_megapixels);

}  // namespace rcnn::data
