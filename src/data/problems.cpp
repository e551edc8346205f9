#include <algorithm>
#include <utility>

#include <spdlog/fmt/ranges.h>

#include <rcnn/data/problems.h>
#include <rcnn/error.h>
#include <rcnn/log.h>
#include <rcnn/printable.h>

namespace rcnn::data {

void Problems::add(Severity severity, const std::string& what, std::string where) {
  auto kind = std::find_if(kinds_.begin(), kinds_.end(), [&](const Kind& known) {
    return known.severity == severity && known.what == what;
  });
  if (kind == kinds_.end()) kind = kinds_.insert(kind, {severity, what, {}});
  kind->where.push_back(std::move(where));
}

void Problems::error(const std::string& what, std::string where) {
  add(Severity::error, what, std::move(where));
}

void Problems::warn(const std::string& what, std::string where) {
  add(Severity::warning, what, std::move(where));
}

void Problems::bad(Policy policy, const char* option, const std::string& what, std::string where) {
  if (policy == Policy::stop) {
    error(fmt::format("{} ({}=skip leaves it out)", what, option), std::move(where));
  } else {
    warn("dropped: " + what, std::move(where));
    ++left_out_[option];
  }
}

void Problems::add(const Problems& problems) {
  for (const auto& [option, count] : problems.left_out_) left_out_[option] += count;
  for (const auto& [severity, what, where] : problems.kinds_) {
    for (const auto& place : where) add(severity, what, place);
  }
}

void Problems::add(const Problems& problems, const std::string& part) {
  for (const auto& [option, count] : problems.left_out_) left_out_[option] += count;
  for (const auto& [severity, what, where] : problems.kinds_) {
    for (const auto& place : where) add(severity, what, fmt::format("{}: {}", part, place));
  }
}

bool Problems::has(Severity severity) const {
  return std::any_of(kinds_.begin(), kinds_.end(),
                     [&](const Kind& kind) { return kind.severity == severity; });
}

int64_t Problems::left_out(const std::string& option) const {
  const auto found = left_out_.find(option);
  return found == left_out_.end() ? 0 : found->second;
}

std::string Problems::text(Severity severity) const {
  constexpr size_t kNamed = 5;
  std::string lines;
  for (const auto& kind : kinds_) {
    if (kind.severity != severity) continue;
    const auto named = kind.where.begin() + static_cast<std::ptrdiff_t>(std::min(kind.where.size(), kNamed));
    const auto line = fmt::format("{}: {}", kind.what, fmt::join(kind.where.begin(), named, ", "));
    lines += "\n  " + printable(line);
    if (kind.where.size() > kNamed) lines += fmt::format(" and {} more", kind.where.size() - kNamed);
  }
  return lines;
}

void Problems::settle(const std::string& origin) const {
  const auto lines = [&](Severity severity) {
    const auto text = this->text(severity);
    const bool single = text.find('\n', 1) == std::string::npos;
    return single ? fmt::format(" {}", text.substr(text.find_first_not_of("\n "))) : text;
  };
  if (has(Severity::error)) {
    throw DataError(fmt::format("{}: cannot be used:{}", origin, lines(Severity::error)));
  }
  if (has(Severity::warning)) log::warn(fmt::format("{}:{}", origin, lines(Severity::warning)));
}

}  // namespace rcnn::data
