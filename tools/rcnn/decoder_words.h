#pragma once

#include <iostream>
#include <streambuf>
#include <string_view>

namespace rcnn::tools {

/// While it lives, std::cerr leaves out what OpenCV writes there when it cannot decode an image: its source
/// lines and assertions, "imdecode_(''): can't read data: OpenCV(4.6.0) ...". What is wrong with an image the
/// library says itself.
class WithoutDecoderWords : public std::streambuf {
 public:
  WithoutDecoderWords() : target_(std::cerr.rdbuf(this)) {}
  ~WithoutDecoderWords() override { std::cerr.rdbuf(target_); }
  WithoutDecoderWords(const WithoutDecoderWords&) = delete;
  WithoutDecoderWords& operator=(const WithoutDecoderWords&) = delete;

 private:
  // OpenCV writes piece by piece, of which the first is this, and ends with std::endl, a character alone.
  std::streamsize xsputn(const char* text, std::streamsize size) override {
    const std::string_view piece(text, static_cast<size_t>(size));
    if (piece.starts_with("imdecode_('")) left_out_ = true;
    return left_out_ ? size : target_->sputn(text, size);
  }
  int_type overflow(int_type character) override {
    if (traits_type::eq_int_type(character, traits_type::eof())) return traits_type::not_eof(character);
    if (!left_out_) return target_->sputc(traits_type::to_char_type(character));
    left_out_ = character != '\n';
    return character;
  }
  int sync() override { return target_->pubsync(); }

  std::streambuf* const target_;
  static inline thread_local bool left_out_ = false;  // images are decoded on several threads at once
};

}  // namespace rcnn::tools
