#include "demo/scene.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <opencv2/imgproc.hpp>

#include "data/images/mat.h"
#include "data/loading/random.h"

namespace rcnn::tools {
namespace {

using Color = cv::Vec3b;
using data::Random;
using Points = std::vector<cv::Point2d>;

constexpr int kShift = 4;  // fractional bits of the coordinates that OpenCV draws with

cv::Point fixed(cv::Point2d p) {
  return {static_cast<int>(std::lround(std::ldexp(p.x, kShift))),
          static_cast<int>(std::lround(std::ldexp(p.y, kShift)))};
}

std::vector<cv::Point> fixed(const Points& points) {
  std::vector<cv::Point> result;
  for (const auto& p : points) result.push_back(fixed(p));
  return result;
}

cv::Scalar scalar(Color c) {
  return {double(c[0]), double(c[1]), double(c[2])};
}

Color random_color(Random& random) {
  Color color;
  for (int i = 0; i < 3; ++i) color[i] = static_cast<uint8_t>(random.below(256));
  return color;
}

Color near_color(Random& random, Color color, int distance) {
  for (int i = 0; i < 3; ++i) {
    color[i] = cv::saturate_cast<uint8_t>(color[i] + int(random.below(2 * distance + 1)) - distance);
  }
  return color;
}

/// Half as vivid: for what lies behind the objects.
Color muted(Color color) {
  const int grey = (color[0] + color[1] + color[2]) / 3;
  for (int i = 0; i < 3; ++i) color[i] = static_cast<uint8_t>((color[i] + grey) / 2);
  return color;
}

/// A colour that stands out from `other`.
Color far_color(Random& random, Color other) {
  Color color = random_color(random);
  while (cv::norm(cv::Vec3d(color) - cv::Vec3d(other)) < 110) color = random_color(random);
  return color;
}

/// A colour of the shape's fifth of the colour circle, give or take some, that stands out from `behind`.
Color shape_color(Random& random, size_t shape, Color behind) {
  cv::Mat color(1, 1, CV_8UC3);
  do {
    const double hue = 180.0 * static_cast<double>(shape) / kShapes.size() + random.uniform(-16, 16);
    color = cv::Scalar(std::fmod(hue + 180, 180), random.uniform(130, 256), random.uniform(110, 256));
    cv::cvtColor(color, color, cv::COLOR_HSV2RGB);
  } while (cv::norm(cv::Vec3d(color.at<Color>(0)) - cv::Vec3d(behind)) < 80);
  return color.at<Color>(0);
}

cv::Point2d random_point(Random& random, cv::Size size) {
  const double x = random.uniform(0, size.width);
  const double y = random.uniform(0, size.height);
  return {x, y};
}

/// dst becomes `paint` where alpha is 255 and stays as it is where alpha is 0.
void blend(cv::Mat& dst, const cv::Mat& paint, const cv::Mat& alpha) {
  for (int y = 0; y < dst.rows; ++y) {
    const auto* a = alpha.ptr<uint8_t>(y);
    const auto* from = paint.ptr<Color>(y);
    auto* to = dst.ptr<Color>(y);
    for (int x = 0; x < dst.cols; ++x) {
      if (a[x] == 0) continue;
      for (int c = 0; c < 3; ++c) {
        to[x][c] = static_cast<uint8_t>((from[x][c] * a[x] + to[x][c] * (255 - a[x]) + 127) / 255);
      }
    }
  }
}

// ---- paints: a whole picture of colour, for backgrounds and for the inside of objects

cv::Mat gradient(Random& random, cv::Size size, Color from, Color to) {
  const double angle = random.uniform(0, 2 * std::numbers::pi);
  const cv::Point2d direction(std::cos(angle), std::sin(angle));
  const double span = std::abs(direction.x) * size.width + std::abs(direction.y) * size.height;
  cv::Mat image(size, CV_8UC3);
  for (int y = 0; y < size.height; ++y) {
    for (int x = 0; x < size.width; ++x) {
      const cv::Point2d p(x - size.width / 2.0, y - size.height / 2.0);
      const double t = std::clamp(p.dot(direction) / span + 0.5, 0.0, 1.0);
      image.at<Color>(y, x) = cv::Vec3d(from) * (1 - t) + cv::Vec3d(to) * t;
    }
  }
  return image;
}

cv::Mat stripes(Random& random, cv::Size size, Color a, Color b, double period) {
  const double angle = random.uniform(0, std::numbers::pi);
  const double phase = random.uniform(0, 1);
  const cv::Point2d wave(std::cos(angle) / period, std::sin(angle) / period);
  cv::Mat image(size, CV_8UC3);
  for (int y = 0; y < size.height; ++y) {
    for (int x = 0; x < size.width; ++x) {
      const double t = wave.dot(cv::Point2d(x, y)) + phase;
      image.at<Color>(y, x) = t - std::floor(t) < 0.5 ? a : b;
    }
  }
  return image;
}

cv::Mat checkers(Random& random, cv::Size size, Color a, Color b, double period) {
  const double angle = random.uniform(0, std::numbers::pi / 2);
  const cv::Point2d u(std::cos(angle) / period, std::sin(angle) / period);
  const cv::Point2d v(-u.y, u.x);
  cv::Mat image(size, CV_8UC3);
  for (int y = 0; y < size.height; ++y) {
    for (int x = 0; x < size.width; ++x) {
      const cv::Point2d p(x, y);
      const auto field = static_cast<int64_t>(std::floor(u.dot(p)) + std::floor(v.dot(p)));
      image.at<Color>(y, x) = field % 2 == 0 ? a : b;
    }
  }
  return image;
}

/// Colour that changes slowly: a few random colours spread over the picture.
cv::Mat clouds(Random& random, cv::Size size, Color color, int spread) {
  const int rows = 3 + static_cast<int>(random.below(6));
  cv::Mat grid(rows, rows * size.width / size.height + 1, CV_8UC3);
  for (auto& cell : cv::Mat_<Color>(grid)) cell = near_color(random, color, spread);
  cv::Mat image;
  cv::resize(grid, image, size, 0, 0, cv::INTER_CUBIC);
  return image;
}

void add_noise(cv::Mat& image, Random& random, double sigma) {
  cv::RNG noise(random.bits());
  cv::Mat field(image.size(), CV_16SC3);
  noise.fill(field, cv::RNG::NORMAL, 0, sigma);
  cv::add(image, field, image, cv::noArray(), CV_8UC3);
}

cv::Mat background(Random& random, cv::Size size, double unit) {
  const Color color = muted(random_color(random));
  const Color other = near_color(random, color, 45);
  cv::Mat image;
  switch (random.below(5)) {
    case 0:
      image = gradient(random, size, color, muted(random_color(random)));
      break;
    case 1:
      image = stripes(random, size, color, other, unit * random.uniform(8, 40));
      break;
    case 2:
      image = checkers(random, size, color, other, unit * random.uniform(8, 32));
      break;
    default:
      image = clouds(random, size, color, 20 + static_cast<int>(random.below(40)));
  }
  add_noise(image, random, random.chance(0.3) ? random.uniform(8, 25) : random.uniform(0, 5));
  return image;
}

// ---- clutter: what belongs to no class

void draw_clutter(cv::Mat& image, Random& random, double unit) {
  const cv::Scalar color = scalar(random_color(random));
  const int thickness = std::max(1, static_cast<int>(std::lround(unit * random.uniform(0.6, 2.4))));
  const cv::Point2d at = random_point(random, image.size());
  const double angle = random.uniform(0, 360);
  switch (random.below(4)) {
    case 0: {  // a line
      const cv::Point2d end = random_point(random, image.size());
      cv::line(image, fixed(at), fixed(end), color, thickness, cv::LINE_AA, kShift);
      break;
    }
    case 1: {  // an arc, well open
      const double a = unit * random.uniform(8, 50);
      const double b = unit * random.uniform(8, 50);
      const double opening = random.uniform(40, 200);
      cv::ellipse(image, fixed(at), fixed(cv::Point2d(a, b)), angle, 0, opening, color, thickness,
                  cv::LINE_AA, kShift);
      break;
    }
    case 2: {  // a scribble
      Points points = {at};
      for (auto steps = 4 + random.below(8); steps > 0; --steps) {
        const double dx = unit * random.uniform(-18, 18);
        const double dy = unit * random.uniform(-18, 18);
        points.push_back(points.back() + cv::Point2d(dx, dy));
      }
      cv::polylines(image, fixed(points), false, color, thickness, cv::LINE_AA, kShift);
      break;
    }
    default: {  // a small blob, long and thin
      const double a = unit * random.uniform(3, 8);
      const double b = a * random.uniform(0.2, 0.5);
      cv::ellipse(image, fixed(at), fixed(cv::Point2d(a, b)), angle, 0, 360, color, cv::FILLED, cv::LINE_AA,
                  kShift);
    }
  }
}

// ---- objects

/// Points on circles around the origin, the first one straight up, `radii` taken in turn.
Points spokes(int count, std::initializer_list<double> radii) {
  Points points;
  for (int i = 0; i < count; ++i) {
    const double angle = 2 * std::numbers::pi * i / count - std::numbers::pi / 2;
    const double radius = *(radii.begin() + i % radii.size());
    points.emplace_back(radius * std::cos(angle), radius * std::sin(angle));
  }
  return points;
}

Points outline(Random& random, std::string_view shape) {
  if (shape == "circle") return spokes(72, {1});
  if (shape == "square") return {{1, 1}, {-1, 1}, {-1, -1}, {1, -1}};
  if (shape == "triangle") return spokes(3, {1});
  if (shape == "star") return spokes(10, {1, random.uniform(0.38, 0.46)});
  const double arm = random.uniform(0.26, 0.36);  // a cross
  return {{arm, arm},   {arm, 1},   {-arm, 1}, {-arm, arm}, {-1, arm}, {-1, -arm},
          {-arm, -arm}, {-arm, -1}, {arm, -1}, {arm, -arm}, {1, -arm}, {1, arm}};
}

/// A shape, squeezed a little and tilted, whose longer side is `size`; around the origin.
Points random_outline(Random& random, std::string_view shape, double size) {
  Points points = outline(random, shape);
  const double squeeze = random.uniform(0.85, 1);
  const double angle = random.uniform(-0.4, 0.4);  // a diamond is no square, an X no cross
  const double c = std::cos(angle);
  const double s = std::sin(angle);
  cv::Point2d low, high;
  for (auto& p : points) {
    p = {c * p.x - s * p.y * squeeze, s * p.x + c * p.y * squeeze};
    low = {std::min(low.x, p.x), std::min(low.y, p.y)};
    high = {std::max(high.x, p.x), std::max(high.y, p.y)};
  }
  const double scale = size / std::max(high.x - low.x, high.y - low.y);
  for (auto& p : points) p = (p - (low + high) / 2) * scale;
  return points;
}

/// Fills, stripes or outlines the shape of `silhouette` on `image`.
void paint_object(cv::Mat& image, Random& random, size_t shape, const Points& points,
                  const cv::Mat& silhouette, double size) {
  const cv::Scalar mean = cv::mean(image, silhouette);
  const Color behind(cv::Vec3d(mean[0], mean[1], mean[2]));
  const Color color = shape_color(random, shape, behind);
  const auto rim = [&](double width) {  // drawn on both sides of the edge; the outer half is cut off
    cv::Mat drawn = cv::Mat::zeros(image.size(), CV_8U);
    const int thickness = std::max(2, static_cast<int>(std::lround(2 * width)));
    cv::polylines(drawn, fixed(points), true, 255, thickness, cv::LINE_AA, kShift);
    return cv::Mat(cv::min(drawn, silhouette));
  };
  const double width = std::max(1.5, size * random.uniform(0.06, 0.12));
  switch (random.below(6)) {
    case 0:
    case 1:
      blend(image, cv::Mat(image.size(), CV_8UC3, scalar(color)), silhouette);
      break;
    case 2:
      blend(image, gradient(random, image.size(), color, near_color(random, color, 50)), silhouette);
      break;
    case 3: {
      const double period = std::max(5.0, size * random.uniform(0.18, 0.4));
      blend(image, stripes(random, image.size(), color, near_color(random, color, 70), period), silhouette);
      break;
    }
    case 4: {
      blend(image, cv::Mat(image.size(), CV_8UC3, scalar(color)), silhouette);
      blend(image, cv::Mat(image.size(), CV_8UC3, scalar(far_color(random, color))), rim(width));
      break;
    }
    default:
      blend(image, cv::Mat(image.size(), CV_8UC3, scalar(color)), rim(width));
  }
}

/// Whether an object may be put over `mask`: of each object that it would cover, a part must stay in sight.
bool leaves_others_visible(const cv::Mat& owners, const cv::Mat& mask, const std::vector<int>& areas) {
  for (size_t i = 0; i < areas.size(); ++i) {
    const cv::Mat seen = owners == static_cast<int>(i + 1);
    const int covered = cv::countNonZero(seen & mask);
    if (covered > 0 && cv::countNonZero(seen) - covered < 0.35 * areas[i]) return false;
  }
  return true;
}

}  // namespace

Scene draw_scene(ImageSize size, uint64_t seed) {
  Random random(seed);
  const cv::Size extent(static_cast<int>(size.width), static_cast<int>(size.height));
  const double unit = std::min(extent.width, extent.height) / 192.0;

  Scene scene;
  cv::Mat image = background(random, extent, unit);
  scene.owners = cv::Mat::zeros(extent, CV_8U);
  for (auto count = random.below(9); count > 0; --count) draw_clutter(image, random, unit);

  const auto wanted = static_cast<size_t>(1 + random.below(6));
  std::vector<int> areas;  // in pixels of the image, hidden ones included
  for (int attempt = 0; scene.objects.size() < wanted && (attempt < 40 || scene.objects.empty()); ++attempt) {
    const auto shape = static_cast<size_t>(random.below(kShapes.size()));
    const double length = unit * std::exp(random.uniform(std::log(18), std::log(100)));
    const cv::Point2d at = random_point(random, extent);
    Points points = random_outline(random, kShapes[shape], length);
    for (auto& p : points) p += at;

    cv::Mat silhouette = cv::Mat::zeros(extent, CV_8U);
    cv::fillPoly(silhouette, std::vector{fixed(points)}, 255, cv::LINE_AA, kShift);
    const cv::Mat mask = silhouette >= 128;
    const int area = cv::countNonZero(mask);
    std::vector<cv::Point2f> edge(points.begin(), points.end());
    if (area < 0.75 * cv::contourArea(edge) || !leaves_others_visible(scene.owners, mask, areas)) continue;

    paint_object(image, random, shape, points, silhouette, length);
    areas.push_back(area);
    scene.owners.setTo(static_cast<int>(areas.size()), mask);
    const bool truncated = area < 0.97 * cv::contourArea(edge);
    scene.objects.push_back({.shape = shape, .box = {}, .truncated = truncated, .difficult = false});
  }
  for (size_t i = 0; i < areas.size(); ++i) {
    const cv::Mat seen = scene.owners == static_cast<int>(i + 1);
    scene.objects[i].box = cv::boundingRect(seen);
    scene.objects[i].difficult = cv::countNonZero(seen) < 0.6 * areas[i];
  }

  if (random.chance(0.3)) draw_clutter(image, random, unit);  // a thing in front
  if (random.chance(0.5)) cv::GaussianBlur(image, image, {}, unit * random.uniform(0.3, 0.8));
  add_noise(image, random, random.uniform(1, 6));
  scene.image = data::empty_image(size);
  image.copyTo(data::as_mat(scene.image));
  return scene;
}

}  // namespace rcnn::tools
