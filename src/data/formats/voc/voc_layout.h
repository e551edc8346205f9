#pragma once

#include <optional>
#include <string>
#include <vector>

#include <rcnn/data/formats/place.h>

namespace rcnn::data {

/// Where a part of a data set in Pascal VOC's format lies: paths below the data set's folder, "" for itself.
struct VocPart {
  std::string name;
  std::string annotations;         ///< the folder of its .xml files, which lie in it and below
  std::string images;              ///< of its images, likewise
  std::vector<std::string> lists;  ///< text files of its ids; none: it is all annotation files
  std::string classes;             ///< where its classes.txt would be
  std::string scope;               ///< no image outside of this folder is its
  bool shares_images = false;      ///< other parts' images lie there, too
};

/// What is there of Pascal VOC.
struct VocLayout {
  std::vector<VocPart> parts = {};  ///< none when it is no data set of VOC
  std::vector<std::string> passed_over =
      {};                  ///< folders that have annotation files of VOC, too, and belong to no part
  std::string lacks = {};  ///< why there is no part, where something of VOC is there
};

/// Finds out what lies where, by names and by the heads of a few files:
///
///     Annotations/a.xml  JPEGImages/a.jpg  ImageSets/Main/train.txt    a part for each list
///     annots/a.xml  images/a.png                                       the part "all"
///     a.xml  a.png                                                     the same
///     train/ valid/ test/                                              each of these, a part each
///     annotations/train/a.xml  images/train/a.png                      the same
///
/// Lists of one class (cat_train.txt, with a second column) are no parts beside whole ones (train.txt), and
/// without these are joined to parts of their names' endings. Annotation files may lie in further folders,
/// which are part of their ids.
VocLayout find_voc_layout(const Place& place);

/// Of a list's second column: whether this says that a class is there (1), not (-1), hard to see (0).
bool is_presence(std::string_view word);

}  // namespace rcnn::data
