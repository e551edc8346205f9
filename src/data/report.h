#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/fmt/ranges.h>

namespace rcnn::data {

/// What is wrong in many places, one line for each kind of thing.
class Report {
 public:
  void add(const std::string& what, std::string where) {
    auto kind = std::ranges::find(kinds_, what, &Kind::what);
    if (kind == kinds_.end()) kind = kinds_.insert(kind, {what, {}});
    kind->where.push_back(std::move(where));
  }

  bool empty() const { return kinds_.empty(); }

  std::string text() const {
    constexpr size_t kNamed = 5;
    std::string lines;
    for (const auto& [what, where] : kinds_) {
      const std::vector<std::string> named(where.begin(), where.begin() + std::min(where.size(), kNamed));
      lines += fmt::format("\n  {}: {}{}", what, fmt::join(named, ", "),
                           where.size() > kNamed ? fmt::format(" and {} more", where.size() - kNamed) : "");
    }
    return lines;
  }

 private:
  struct Kind {
    std::string what;
    std::vector<std::string> where;
  };
  std::vector<Kind> kinds_;
};

}  // namespace rcnn::data
