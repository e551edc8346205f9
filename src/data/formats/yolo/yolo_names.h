#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rcnn::data {

/// Whether a file of this name has the names of a YOLO data set's classes: classes.txt, obj.names, other
/// *.names, _darknet.labels, predefined_classes.txt.
bool is_names_file(std::string_view name);

/// Whether it is the list that LabelImg starts from, which counts where there is no other.
bool is_predefined_names_file(std::string_view name);

/// The first number of a class that both have, and with other names; nothing where there is none.
std::optional<size_t> first_difference(const std::vector<std::string>& names,
                                       const std::vector<std::string>& others);

/// The names of classes by their numbers, one a line; empty for an empty line between others. A line begins
/// with its number only if all do, with 0, 1, 2, ... or with 1, 2, 3, ...; otherwise a number belongs to the
/// name ("3 wheeler"). Throws DataError for a file that cannot be read or is no UTF-8.
std::vector<std::string> read_class_names(const std::filesystem::path& file);

/// What these files together say. Where one goes on where another ends, as LabelImg's in several folders do,
/// that is the longest. predefined_classes.txt, which LabelImg starts from, counts where there is no other.
/// Throws DataError where two contradict each other.
std::vector<std::string> read_class_names(const std::vector<std::filesystem::path>& files);

}  // namespace rcnn::data
