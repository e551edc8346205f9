#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rcnn::data {

/// Whether a file is one of MATLAB's, of whatever level.
bool is_mat_file(std::string_view file);

/// A variable of a MATLAB file of level 5 that has been looked through.
struct MatVariable {
  std::string_view element;   ///< as a file has it uncompressed, with its tag
  std::string inflated = {};  ///< what it is a view of where the file has it compressed
};

/// The header of a file and these of its variables, the first of each name, in the order of `names`; those
/// that are not there are left out. Every size and type in them has been checked against the bytes that are
/// there: each is a cell array of real matrices of numbers, of texts, or of what is empty, so that a reader
/// that trusts them stays within them. MatIO trusts some.
///
/// "MAT-File Format", The MathWorks, chapter 1. Throws io::Refusal for another level, for big-endian files,
/// and for what is damaged.
std::vector<MatVariable> checked_variables(std::string_view file, std::span<const std::string_view> names);

}  // namespace rcnn::data
