#include "data/images/jpeg.h"

#include <algorithm>
#include <csetjmp>
#include <cstdio>  // jpeglib.h needs it
#include <string>
#include <vector>

#include <jerror.h>
#include <jpeglib.h>
#include <spdlog/fmt/fmt.h>

#include "data/images/mat.h"

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

/// CMYK as Adobe's programs store it, and as Pillow takes all of it: inverted.
void cmyk_to_rgb(const uint8_t* cmyk, uint8_t* rgb, int64_t width) {
  for (int64_t x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    const int white = cmyk[3];
    for (int channel = 0; channel < 3; ++channel) {
      const int product = (255 - cmyk[channel]) * white + 128;  // divided by 255, to the nearest
      rgb[channel] = static_cast<uint8_t>(std::max(0, white - ((product + (product >> 8)) >> 8)));
    }
  }
}

}  // namespace

at::Tensor decode_jpeg(FileBytes& bytes, ImageSize size) {
  const auto data = bytes.all();
  Decoder decoder;
  jpeg_decompress_struct& jpeg = decoder.decompress;
  const auto attempt = [&](auto call) {
    if (decoder.attempt(call)) return;
    throw file_error(bytes.file(),
                     fmt::format("is damaged: {}; copy it again or remove it", decoder.words()));
  };
  attempt([&] {
    jpeg_mem_src(&jpeg, data.data(), data.size());
    jpeg_read_header(&jpeg, TRUE);
  });
  if (ImageSize{jpeg.image_height, jpeg.image_width} != size) {
    throw file_error(bytes.file(), "is damaged: it says two sizes; copy it again or remove it");
  }
  attempt([&] {
    const bool cmyk = jpeg.jpeg_color_space == JCS_CMYK || jpeg.jpeg_color_space == JCS_YCCK;
    jpeg.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    decoder.in_data = true;
    jpeg_start_decompress(&jpeg);
  });

  const int64_t width = jpeg.output_width;
  at::Tensor image = empty_image({jpeg.output_height, width});
  auto* pixels = image.data_ptr<uint8_t>();
  std::vector<uint8_t> cmyk(jpeg.out_color_space == JCS_CMYK ? static_cast<size_t>(4 * width) : 0);
  attempt([&] {
    while (jpeg.output_scanline < jpeg.output_height) {
      uint8_t* row = pixels + 3 * width * jpeg.output_scanline;
      uint8_t* out = cmyk.empty() ? row : cmyk.data();
      jpeg_read_scanlines(&jpeg, &out, 1);
      if (!cmyk.empty()) cmyk_to_rgb(cmyk.data(), row, width);
    }
    jpeg_finish_decompress(&jpeg);
  });
  return image;
}

}  // namespace rcnn::data
