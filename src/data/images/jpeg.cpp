#include "data/images/jpeg.h"

#include <csetjmp>
#include <cstdio>  // jpeglib.h needs it
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <jerror.h>
#include <jpeglib.h>
#include <spdlog/fmt/fmt.h>

#include "data/images/cmyk.h"
#include "data/images/mat.h"
#include "data/images/remarks.h"

namespace rcnn::data {
namespace {

/// libjpeg, whose functions leave by longjmp: what they say goes into words().
class Decoder {
 public:
  Decoder() {
    decompress.err = jpeg_std_error(&errors_);
    errors_.error_exit = [](j_common_ptr common) { leave(common); };
    errors_.emit_message = [](j_common_ptr common, int level) {
      if (level < 0 && static_cast<Decoder*>(common->client_data)->is_damage()) leave(common);
    };
    decompress.client_data = this;
    jpeg_create_decompress(&decompress);
  }
  ~Decoder() { jpeg_destroy_decompress(&decompress); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// False when libjpeg left. `call` must hold no object with a destructor: they would not run.
  template <class Call>
  bool attempt(Call call) {
    if (setjmp(escape_) != 0) return false;
    call();
    return true;
  }

  std::string words() {
    char text[JMSG_LENGTH_MAX];
    errors_.format_message(reinterpret_cast<j_common_ptr>(&decompress), text);
    return text;
  }

  /// Whether it left because of bytes before the end marker. They end where it has come to.
  bool has_spare_bytes() const {
    return errors_.msg_code == JWRN_EXTRANEOUS_DATA && errors_.msg_parm.i[1] == JPEG_EOI;
  }

  jpeg_decompress_struct decompress{};
  bool in_data = false;  ///< past the header

 private:
  [[noreturn]] static void leave(j_common_ptr common) {
    std::longjmp(static_cast<Decoder*>(common->client_data)->escape_, 1);
  }

  /// Whether libjpeg's warning says that pixels are wrong. Others are of odd headers. Damaged data often
  /// decodes to its end with bytes to spare; a single one is what programs add that like even lengths.
  bool is_damage() const {
    switch (errors_.msg_code) {
      case JWRN_ADOBE_XFORM:
      case JWRN_BOGUS_ICC:
      case JWRN_JFIF_MAJOR:
        return false;
      case JWRN_EXTRANEOUS_DATA:
        return in_data && errors_.msg_parm.i[0] > 1;
      default:
        return true;
    }
  }

  jpeg_error_mgr errors_{};
  std::jmp_buf escape_{};
};

/// The pixels, or why there are none.
struct JpegPixels {
  at::Tensor image = {};
  std::string damage = {};
  size_t spare_end = 0;  ///< where the bytes to spare before the end marker end, if they are the damage
};

JpegPixels pixels_of(std::span<const uint8_t> data, const std::filesystem::path& file, ImageSize size) {
  Decoder decoder;
  jpeg_decompress_struct& jpeg = decoder.decompress;
  const bool begun = decoder.attempt([&] {
    jpeg_mem_src(&jpeg, data.data(), data.size());
    jpeg_read_header(&jpeg, TRUE);
  });
  if (!begun) return {.damage = decoder.words()};
  if (ImageSize{jpeg.image_height, jpeg.image_width} != size)
    throw file_error(file, "is damaged: it says two sizes; copy it again or remove it");
  const auto damaged = [&]() -> JpegPixels {
    const auto spare_end = decoder.has_spare_bytes() ? jpeg.src->next_input_byte - data.data() : 0;
    return {.damage = decoder.words(), .spare_end = static_cast<size_t>(spare_end)};
  };
  const bool started = decoder.attempt([&] {
    const bool cmyk = jpeg.jpeg_color_space == JCS_CMYK || jpeg.jpeg_color_space == JCS_YCCK;
    jpeg.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    decoder.in_data = true;
    jpeg_start_decompress(&jpeg);
  });
  if (!started) return damaged();

  const int64_t width = jpeg.output_width;
  at::Tensor image = empty_image({jpeg.output_height, width});
  auto* pixels = image.data_ptr<uint8_t>();
  std::vector<uint8_t> cmyk(jpeg.out_color_space == JCS_CMYK ? static_cast<size_t>(4 * width) : 0);
  const bool done = decoder.attempt([&] {
    while (jpeg.output_scanline < jpeg.output_height) {
      uint8_t* row = pixels + 3 * width * jpeg.output_scanline;
      uint8_t* out = cmyk.empty() ? row : cmyk.data();
      jpeg_read_scanlines(&jpeg, &out, 1);
      if (cmyk.empty()) continue;
      constexpr uint8_t kInverted = 255;  // as Pillow takes all of them
      for (int64_t x = 0; x < width; ++x) cmyk_to_rgb(cmyk.data() + 4 * x, kInverted, row + 3 * x);
    }
    jpeg_finish_decompress(&jpeg);
  });
  if (!done) return damaged();
  return {.image = std::move(image)};
}

/// The pixels of a JPEG that would end at `end`, were there not bytes to spare before its end marker. Those
/// are zeros and ones: what is left of garbled data may look like anything. And data that was overwritten by
/// zeros can end in the midst of them: it is whole when it decodes without any of them.
at::Tensor pixels_without_spare_bytes(std::span<const uint8_t> data, const std::filesystem::path& file,
                                      ImageSize size) {
  constexpr size_t kMostOfData =
      2;  // data may end in a zero, or in 0xff, which is written with a zero behind it
  size_t begin = data.size();
  while (begin > 0 && (data[begin - 1] == 0 || data[begin - 1] == 0xff)) --begin;
  for (size_t kept = 0; kept <= kMostOfData && begin + kept < data.size(); ++kept) {
    std::vector<uint8_t> whole(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(begin + kept));
    whole.insert(whole.end(), {0xff, JPEG_EOI});
    if (auto pixels = pixels_of(whole, file, size); pixels.image.defined()) return pixels.image;
  }
  return {};
}

}  // namespace

at::Tensor decode_jpeg(FileBytes& bytes, ImageSize size) {
  const auto data = bytes.all();
  const auto pixels = pixels_of(data, bytes.file(), size);
  if (pixels.image.defined()) return pixels.image;
  if (pixels.spare_end > 0) {
    const auto image = pixels_without_spare_bytes(data.first(pixels.spare_end), bytes.file(), size);
    if (image.defined()) {
      remark(bytes.file(), kSpareBytes);
      return image;
    }
  }
  throw file_error(bytes.file(), fmt::format("is damaged: {}; copy it again or remove it", pixels.damage));
}

}  // namespace rcnn::data
