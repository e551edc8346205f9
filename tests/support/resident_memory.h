#pragma once

#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include <malloc.h>
#include <unistd.h>

namespace rcnn::test {

/// Memory of this process that is in use now.
inline double resident_bytes() {
  std::ifstream pages("/proc/self/statm");
  double total = 0, resident = 0;
  pages >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

/// Bytes that this process has read from files and pipes.
inline double bytes_read() {
  std::ifstream counts("/proc/self/io");
  std::string name;
  double count = 0;
  while (counts >> name >> count && name != "rchar:") continue;
  return count;
}

/// Memory that malloc gave this process and did not get back, to the byte; 0 under a sanitizer, which has a
/// malloc of its own.
inline double heap_bytes() {
  const auto info = mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
}

/// Change from call to call, or from iteration to iteration: the slope of the straight line through equally
/// spaced samples (least squares).
inline double slope(const std::vector<double>& samples, double spacing) {
  const auto count = static_cast<double>(samples.size());
  const double mean = std::accumulate(samples.begin(), samples.end(), 0.0) / count, middle = (count - 1) / 2;
  double covariance = 0, variance = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const double x = static_cast<double>(i) - middle;
    covariance += x * (samples[i] - mean);
    variance += x * x;
  }
  return covariance / variance / spacing;
}

}  // namespace rcnn::test
