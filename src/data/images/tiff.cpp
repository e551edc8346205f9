#include "data/images/tiff.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include <spdlog/fmt/fmt.h>
#include <tiffio.h>

#include "data/images/cmyk.h"
#include "data/images/image_header.h"
#include "data/images/mat.h"

namespace rcnn::data {
namespace {

/// A TIFF in memory, for libtiff to read.
class TiffFile {
 public:
  explicit TiffFile(FileBytes& bytes) : file_(bytes.file()), data_(bytes.all()) {
    constexpr tmsize_t kMostAtOnce = tmsize_t{1} << 34;  // the largest image of 16 bytes a pixel
    const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> options(TIFFOpenOptionsAlloc(),
                                                                                   &TIFFOpenOptionsFree);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), kMostAtOnce);
    TIFFOpenOptionsSetErrorHandlerExtR(
        options.get(),
        [](TIFF*, void* self, const char* where, const char*, va_list) {
          static_cast<TiffFile*>(self)->failed(where);
          return 1;  // said; libtiff is silent
        },
        this);
    TIFFOpenOptionsSetWarningHandlerExtR(
        options.get(),
        [](TIFF*, void* self, const char* where, const char*, va_list) {
          // What libjpeg warns of is damage; all else is of odd headers.
          if (where == std::string_view("JPEGLib")) static_cast<TiffFile*>(self)->failed(where);
          return 1;
        },
        this);
    tiff_ = TIFFClientOpenExt(
        "a TIFF", "r", this, &TiffFile::read, &TiffFile::write, &TiffFile::seek, [](thandle_t) { return 0; },
        &TiffFile::size, &TiffFile::map, [](thandle_t, void*, toff_t) {}, options.get());
    check(tiff_ != nullptr);
  }
  ~TiffFile() {
    if (tiff_ != nullptr) TIFFClose(tiff_);
  }
  TiffFile(const TiffFile&) = delete;
  TiffFile& operator=(const TiffFile&) = delete;

  TIFF* get() { return tiff_; }
  const std::filesystem::path& file() const { return file_; }

  /// Throws unless all is well, and libtiff has not complained.
  void check(bool well) const {
    if (well && where_.empty()) return;
    throw file_error(file_, fmt::format("cannot be decoded; it is damaged or cut off{}",
                                        where_.empty() ? "" : fmt::format(" ({})", where_)));
  }

  template <class Number>
  Number field(uint32_t tag, Number otherwise) {
    Number value = otherwise;
    return TIFFGetFieldDefaulted(tiff_, tag, &value) == 1 ? value : otherwise;
  }

 private:
  void failed(const char* where) {
    if (where_.empty()) where_ = where == nullptr ? "libtiff" : where;
  }

  static TiffFile& self(thandle_t handle) { return *static_cast<TiffFile*>(handle); }

  static tmsize_t read(thandle_t handle, void* out, tmsize_t count) {
    auto& file = self(handle);
    const auto rest = file.data_.subspan(std::min(file.place_, file.data_.size()));
    const auto part = rest.first(std::min(rest.size(), static_cast<size_t>(count)));
    std::copy(part.begin(), part.end(), static_cast<uint8_t*>(out));
    file.place_ += part.size();
    return static_cast<tmsize_t>(part.size());
  }
  static tmsize_t write(thandle_t, void*, tmsize_t) { return -1; }
  static toff_t seek(thandle_t handle, toff_t offset, int from) {
    auto& file = self(handle);
    const size_t base = from == SEEK_SET ? 0 : from == SEEK_CUR ? file.place_ : file.data_.size();
    return file.place_ = base + static_cast<size_t>(offset);
  }
  static toff_t size(thandle_t handle) { return self(handle).data_.size(); }
  static int map(thandle_t handle, void** begin, toff_t* size) {
    *begin = const_cast<uint8_t*>(self(handle).data_.data());  // libtiff only reads what it has mapped
    *size = self(handle).data_.size();
    return 1;
  }

  const std::filesystem::path& file_;
  const std::span<const uint8_t> data_;
  size_t place_ = 0;
  std::string where_;
  TIFF* tiff_ = nullptr;
};

/// Strips or tiles of samples, put together to pixels.
class TiffPixels {
 public:
  TiffPixels(TiffFile& file, ImageSize size) : file_(file), tiff_(file.get()), size_(size) {
    bits_ = file.field<uint16_t>(TIFFTAG_BITSPERSAMPLE, 1);
    samples_ = file.field<uint16_t>(TIFFTAG_SAMPLESPERPIXEL, 1);
    planes_ = file.field<uint16_t>(TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) == PLANARCONFIG_SEPARATE
                  ? samples_
                  : 1;
    uint16_t photometric = PHOTOMETRIC_MINISWHITE;
    TIFFGetField(tiff_, TIFFTAG_PHOTOMETRIC, &photometric);
    photometric_ = photometric;
    constexpr int64_t kMostBits = 64;
    const int64_t needed = photometric_ == PHOTOMETRIC_SEPARATED ? 4 : is_rgb() || is_luminance() ? 3 : 1;
    if (samples_ < needed || samples_ * bits_ > kMostBits ||
        (photometric_ == PHOTOMETRIC_PALETTE && bits_ > 8))
      throw file_error(
          file.file(),
          fmt::format("has pixels of {} samples of {} bits, which are not read; convert it to 8 or "
                      "16 bits of grey or RGB",
                      samples_, bits_));
    uint16_t extras = 0;
    const uint16_t* kinds = nullptr;
    multiplied_ = is_rgb() && samples_ > 3 &&
                  TIFFGetField(tiff_, TIFFTAG_EXTRASAMPLES, &extras, &kinds) == 1 && extras > 0 &&
                  kinds[0] == EXTRASAMPLE_ASSOCALPHA;
    if (photometric_ == PHOTOMETRIC_PALETTE) read_palette();
  }

  bool is_luminance() const { return photometric_ == PHOTOMETRIC_YCBCR; }

  /// libjpeg makes RGB of luminance and colour differences itself.
  void take_rgb_of_jpeg() {
    TIFFSetField(tiff_, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    photometric_ = PHOTOMETRIC_RGB;
  }

  void decode(uint8_t* out) {
    const bool tiled = TIFFIsTiled(tiff_) != 0;
    const int64_t width = tiled ? file_.field<uint32_t>(TIFFTAG_TILEWIDTH, 0) : size_.width;
    const int64_t height =
        tiled ? file_.field<uint32_t>(TIFFTAG_TILELENGTH, 0)
              : std::min<int64_t>(file_.field<uint32_t>(TIFFTAG_ROWSPERSTRIP, 1), size_.height);
    const tmsize_t bytes = tiled ? TIFFTileSize(tiff_) : TIFFStripSize(tiff_);
    row_bytes_ = tiled ? TIFFTileRowSize(tiff_) : TIFFScanlineSize(tiff_);
    file_.check(width > 0 && height > 0 && bytes > 0 && row_bytes_ * 8 >= width * bits_ * samples_ / planes_);
    std::vector<std::vector<uint8_t>> blocks(static_cast<size_t>(planes_),
                                             std::vector<uint8_t>(static_cast<size_t>(bytes)));
    std::vector<uint8_t> row(static_cast<size_t>(std::min(width, size_.width) * samples_));
    for (int64_t top = 0; top < size_.height; top += height) {
      for (int64_t left = 0; left < size_.width; left += width) {
        const int64_t rows = std::min(height, size_.height - top),
                      columns = std::min(width, size_.width - left);
        for (size_t plane = 0; plane < blocks.size(); ++plane)
          read_block(tiled, left, top, plane, rows, blocks[plane]);
        for (int64_t y = 0; y < rows; ++y) {
          for (size_t plane = 0; plane < blocks.size(); ++plane)
            unpack(blocks[plane].data() + y * row_bytes_, columns, row.data() + plane);
          to_rgb(row.data(), columns, out + 3 * ((top + y) * size_.width + left));
        }
      }
    }
  }

 private:
  bool is_rgb() const { return photometric_ == PHOTOMETRIC_RGB; }

  void read_palette() {
    constexpr uint16_t kByte = 256;
    std::array<const uint16_t*, 3> colors = {};
    file_.check(TIFFGetField(tiff_, TIFFTAG_COLORMAP, &colors[0], &colors[1], &colors[2]) == 1);
    const size_t count = size_t{1} << bits_;
    bool bytes = true;  // which some programs write where two bytes belong
    for (const auto* color : colors)
      bytes &= std::all_of(color, color + count, [](auto value) { return value < kByte; });
    for (size_t i = 0; i < count; ++i) {
      for (size_t channel = 0; channel < 3; ++channel)
        palette_[i][channel] = static_cast<uint8_t>(bytes ? colors[channel][i] : colors[channel][i] / kByte);
    }
  }

  void read_block(bool tiled, int64_t left, int64_t top, size_t plane, int64_t rows,
                  std::vector<uint8_t>& block) {
    const auto x = static_cast<uint32_t>(left), y = static_cast<uint32_t>(top);
    const auto sample = static_cast<uint16_t>(plane);
    const auto size = static_cast<tmsize_t>(block.size());
    const tmsize_t got =
        tiled ? TIFFReadEncodedTile(tiff_, TIFFComputeTile(tiff_, x, y, 0, sample), block.data(), size)
              : TIFFReadEncodedStrip(tiff_, TIFFComputeStrip(tiff_, y, sample), block.data(), size);
    file_.check(got >= rows * row_bytes_);
  }

  /// Samples of a row as bytes, each plane's at its place among the pixel's samples.
  void unpack(const uint8_t* packed, int64_t columns, uint8_t* out) const {
    const int64_t count = columns * samples_ / planes_, step = planes_;
    if (bits_ == 8) {
      for (int64_t i = 0; i < count; ++i) out[i * step] = packed[i];
    } else if (bits_ == 16) {
      for (int64_t i = 0; i < count; ++i) {
        uint16_t value = 0;
        std::memcpy(&value, packed + 2 * i, 2);
        out[i * step] = static_cast<uint8_t>((value + 128) / 257);
      }
    } else {
      const int mask = (1 << bits_) - 1;
      const int scale = photometric_ == PHOTOMETRIC_PALETTE ? 1 : 255 / mask;
      for (int64_t i = 0; i < count; ++i) {
        const int64_t bit = i * bits_;
        out[i * step] = static_cast<uint8_t>((packed[bit / 8] >> (8 - bits_ - bit % 8) & mask) * scale);
      }
    }
  }

  void to_rgb(const uint8_t* pixel, int64_t columns, uint8_t* rgb) const {
    const uint8_t inverted = photometric_ == PHOTOMETRIC_MINISWHITE ? 255 : 0;
    for (const uint8_t* const end = rgb + 3 * columns; rgb != end; rgb += 3, pixel += samples_) {
      if (is_rgb()) {
        std::copy_n(pixel, 3, rgb);
        if (multiplied_) divide_by_alpha(rgb, pixel[3]);
      } else if (photometric_ == PHOTOMETRIC_SEPARATED) {
        cmyk_to_rgb(pixel, 0, rgb);
      } else if (photometric_ == PHOTOMETRIC_PALETTE) {
        std::copy_n(palette_[pixel[0]].data(), 3, rgb);
      } else {
        std::fill_n(rgb, 3, pixel[0] ^ inverted);
      }
    }
  }

  static void divide_by_alpha(uint8_t* rgb, int alpha) {
    for (int channel = 0; channel < 3; ++channel)
      rgb[channel] = static_cast<uint8_t>(alpha == 0 ? 0 : std::min(255, 255 * rgb[channel] / alpha));
  }

  TiffFile& file_;
  TIFF* const tiff_;
  const ImageSize size_;
  int64_t bits_ = 0, samples_ = 0, planes_ = 0, photometric_ = 0;
  bool multiplied_ = false;  // colours by alpha
  tmsize_t row_bytes_ = 0;
  std::array<std::array<uint8_t, 3>, 256> palette_ = {};
};

/// Luminance and colour differences that no JPEG holds, by libtiff's own conversion.
void decode_luminance(TiffFile& file, ImageSize size, uint8_t* out) {
  TIFFSetField(file.get(), TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);  // as stored
  std::vector<uint32_t> pixels(static_cast<size_t>(size.width * size.height));
  file.check(TIFFReadRGBAImageOriented(file.get(), static_cast<uint32_t>(size.width),
                                       static_cast<uint32_t>(size.height), pixels.data(), ORIENTATION_TOPLEFT,
                                       1) == 1);
  for (const uint32_t pixel : pixels) {
    *out++ = static_cast<uint8_t>(TIFFGetR(pixel));
    *out++ = static_cast<uint8_t>(TIFFGetG(pixel));
    *out++ = static_cast<uint8_t>(TIFFGetB(pixel));
  }
}

}  // namespace

at::Tensor decode_tiff(FileBytes& bytes, ImageSize size) {
  TiffFile file(bytes);
  if (ImageSize{file.field<uint32_t>(TIFFTAG_IMAGELENGTH, 0), file.field<uint32_t>(TIFFTAG_IMAGEWIDTH, 0)} !=
      size)
    throw file_error(bytes.file(), "is damaged: it says two sizes; copy it again or remove it");
  const auto compression = file.field<uint16_t>(TIFFTAG_COMPRESSION, COMPRESSION_NONE);
  if (TIFFIsCODECConfigured(compression) == 0) {
    throw file_error(
        bytes.file(),
        fmt::format("is compressed in a way that cannot be read (TIFF's {}); convert it", compression));
  }
  TiffPixels pixels(file, size);
  if (pixels.is_luminance() && compression == COMPRESSION_JPEG) pixels.take_rgb_of_jpeg();
  at::Tensor image = empty_image(size);
  auto* out = image.data_ptr<uint8_t>();
  if (pixels.is_luminance()) {
    decode_luminance(file, size, out);
  } else {
    pixels.decode(out);
  }
  file.check(true);
  return image;
}

}  // namespace rcnn::data
