#include "train/stage_parts.h"

#include <algorithm>

#include <rcnn/data/fingerprint.h>
#include <rcnn/train/training.h>

#include "io/files/checksum.h"

namespace rcnn::train {

bool goes_on(const Stage& stage, Run::Resume resume) {
  Chain::refuse(stage.folder);
  if (resume != Run::Resume::no && RunFolder::is_one(stage.folder)) return true;
  RunFolder::check_new(stage.folder);
  return false;
}

bool needs_missing_data(const Stage& stage) {
  return std::ranges::any_of(stage.products, [](const Product& product) {
    return product.key.starts_with("data.") && !product.is_there();
  });
}

bool lacks_proposals_alone(const Stage& stage) {
  return std::ranges::all_of(stage.products, [](const Product& product) {
    return product.is_there() || !product.key.starts_with("data.") || product.key.ends_with(".proposals");
  });
}

std::vector<std::filesystem::path> product_files(const Stage& stage) {
  std::vector<std::filesystem::path> files;
  for (const auto& product : stage.products) files.push_back(product.file);
  return files;
}

std::string number_of(const data::DataOptions& options, const data::SplitOptions& part) {
  data::Problems told_before;
  const auto numbers = data::fingerprint(*data::open(options, part, told_before));
  io::Checksum sum;
  sum.add({reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(numbers[0])});
  return sum.digits();
}

std::map<std::string, std::string> numbers_of_weights(const Stage& stage) {
  std::map<std::string, std::string> numbers;
  for (const auto& file : initial_weights(stage.config.root().child("model"))) {
    const auto inside = file.lexically_relative(stage.folder.parent_path());
    const bool of_chain = !inside.empty() && *inside.begin() != "..";  // which may be moved
    if (const auto number = fingerprint_of(file); !number.empty())
      numbers[(of_chain ? inside : file).string()] = number;
  }
  return numbers;
}

}  // namespace rcnn::train
