// Image codecs: JPEG (libjpeg-turbo), PNG (libpng) and WebP (libwebp) to and from interleaved 8-bit pixels.
//
// The caller probes the header, allocates the pixels itself and has them filled, so that a small file
// that claims to be huge costs nothing before its size was judged.
#include "attention.h"
#include "errors.h"

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#ifdef ATTENTION_CODECS
#include <jpeglib.h>
#include <png.h>
#include <webp/decode.h>
#endif

enum AttImageFormat : int32_t { ATT_JPEG = 1, ATT_PNG = 2, ATT_WEBP = 3 };

// What an image's header says. Managed twin: ImageCodec.NativeInfo.
struct AttImageInfo {
  int32_t format;
  int32_t width;
  int32_t height;
  int32_t channels;  // as stored: 1 grey or palette index, 2 grey and alpha, 3 colour, 4 colour and alpha, or CMYK
  int32_t bits;      // per channel
};

namespace {

[[noreturn]] void fail(const std::string& message) { throw std::runtime_error(message); }

#ifndef ATTENTION_CODECS

[[noreturn]] void unavailable() {
  fail("built without image codecs: install libjpeg-turbo's libjpeg-dev, libpng-dev and libwebp-dev and build again");
}

#else

struct Bytes {
  const uint8_t* data;
  size_t size;

  int operator[](size_t i) const { return data[i]; }
  int big16(size_t i) const { return data[i] << 8 | data[i + 1]; }
  uint32_t big32(size_t i) const { return static_cast<uint32_t>(big16(i)) << 16 | static_cast<uint32_t>(big16(i + 2)); }
  bool has(size_t offset, const char* text, size_t length) const {
    return size >= offset + length && std::memcmp(data + offset, text, length) == 0;
  }
};

// ---- headers ----------------------------------------------------------------------------------

// Walks the markers up to the frame header, which alone knows the size.
AttImageInfo probe_jpeg(Bytes file) {
  size_t at = 2;
  while (at + 4 <= file.size) {
    if (file[at] != 0xFF) fail("corrupt JPEG: no marker at byte " + std::to_string(at));
    int marker = file[at + 1];
    if (marker == 0xFF) {  // a fill byte
      at++;
      continue;
    }
    if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) {  // markers without a body
      at += 2;
      continue;
    }
    if (marker == 0xDA || marker == 0xD9) fail("corrupt JPEG: no frame header before the first scan");
    bool frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (frame) {
      if (at + 10 > file.size) break;
      return {ATT_JPEG, file.big16(at + 7), file.big16(at + 5), file[at + 9], file[at + 4]};
    }
    at += 2 + static_cast<size_t>(file.big16(at + 2));
  }
  fail("truncated JPEG: the file ends inside its header");
}

AttImageInfo probe_png(Bytes file) {
  if (file.size < 33) fail("truncated PNG: the file ends inside its header");
  if (!file.has(12, "IHDR", 4)) fail("corrupt PNG: the first chunk is not IHDR");
  uint32_t width = file.big32(16), height = file.big32(20);
  if (width > INT32_MAX || height > INT32_MAX) fail("corrupt PNG: a side is longer than 2^31 - 1");
  static const int channels_of_type[] = {1, 0, 3, 1, 2, 0, 4};
  int type = file[25];
  int channels = type < 7 ? channels_of_type[type] : 0;
  if (channels == 0) fail("corrupt PNG: unknown colour type " + std::to_string(type));
  return {ATT_PNG, static_cast<int32_t>(width), static_cast<int32_t>(height), channels, file[24]};
}

[[noreturn]] void fail_webp(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA: fail("truncated WebP: the file ends before its image does");
    case VP8_STATUS_OUT_OF_MEMORY: fail("WebP: out of memory");
    case VP8_STATUS_UNSUPPORTED_FEATURE: fail("WebP: the file uses an unsupported feature");
    default: fail("corrupt WebP: the bitstream is not valid");
  }
}

AttImageInfo probe_webp(Bytes file) {
  WebPBitstreamFeatures features;
  VP8StatusCode status = WebPGetFeatures(file.data, file.size, &features);
  if (status != VP8_STATUS_OK) fail_webp(status);
  if (features.has_animation) fail("animated WebP is not supported");
  return {ATT_WEBP, features.width, features.height, features.has_alpha ? 4 : 3, 8};
}

AttImageInfo probe(Bytes file) {
  if (file.size == 0) fail("the file is empty");
  AttImageInfo info;
  if (file.has(0, "\xFF\xD8\xFF", 3))
    info = probe_jpeg(file);
  else if (file.has(0, "\x89PNG\r\n\x1A\n", 8))
    info = probe_png(file);
  else if (file.has(0, "RIFF", 4) && file.has(8, "WEBP", 4))
    info = probe_webp(file);
  else {
    char start[16] = "";
    for (size_t i = 0; i < std::min<size_t>(file.size, 4); i++) std::snprintf(start + 3 * i, 4, "%02X ", file[i]);
    fail(std::string("not a JPEG, PNG or WebP image: it starts with the bytes ") + start);
  }
  if (info.width <= 0 || info.height <= 0)
    fail("corrupt image: its size is " + std::to_string(info.width) + " x " + std::to_string(info.height));
  return info;
}

void expect_room(int64_t width, int64_t height, int channels, int64_t capacity) {
  if (width * height * channels > capacity)
    fail("the buffer of " + std::to_string(capacity) + " bytes is too small for " + std::to_string(width) + " x " +
         std::to_string(height) + " x " + std::to_string(channels));
}

// ---- JPEG -------------------------------------------------------------------------------------

// libjpeg reports errors by longjmp: what lives across a call of it must need no destructor.
struct JpegErrors {
  jpeg_error_mgr manager;
  std::jmp_buf back;
  char message[JMSG_LENGTH_MAX];

  // Sends all messages here. What libjpeg warns of, every decoder lets pass.
  jpeg_error_mgr* start() {
    jpeg_std_error(&manager);
    manager.error_exit = [](j_common_ptr codec) {
      auto* errors = reinterpret_cast<JpegErrors*>(codec->err);
      codec->err->format_message(codec, errors->message);
      std::longjmp(errors->back, 1);
    };
    manager.emit_message = [](j_common_ptr, int) {};
    return &manager;
  }
};

// A decoder per thread: making one costs as much as decoding a thumbnail.
struct JpegDecoder {
  jpeg_decompress_struct codec;
  JpegErrors errors;
  jpeg_progress_mgr progress;

  JpegDecoder() {
    codec.err = errors.start();
    if (setjmp(errors.back)) throw std::runtime_error(errors.message);
    jpeg_create_decompress(&codec);
    // A few kilobytes of progressive scans could keep a core busy for minutes.
    progress.progress_monitor = [](j_common_ptr any) {
      auto* decoder = reinterpret_cast<jpeg_decompress_struct*>(any);
      if (decoder->input_scan_number <= 500) return;
      auto* errors = reinterpret_cast<JpegErrors*>(any->err);
      std::snprintf(errors->message, sizeof errors->message, "more than 500 progressive scans");
      std::longjmp(errors->back, 1);
    };
    codec.progress = &progress;
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&codec); }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  static JpegDecoder& of_thread() {
    static thread_local JpegDecoder decoder;
    return decoder;
  }
};

// Inverted ("Adobe") CMYK, which is what JPEG files hold, to RGB as Pillow converts it.
void cmyk_to_rgb(const uint8_t* cmyk, uint8_t* rgb, int64_t pixels) {
  for (int64_t i = 0; i < pixels; i++, cmyk += 4, rgb += 3)
    for (int c = 0; c < 3; c++) {
      int ink = (255 - cmyk[c]) * cmyk[3] + 128;
      rgb[c] = static_cast<uint8_t>(cmyk[3] - (((ink >> 8) + ink) >> 8));
    }
}

// Whether the first scan is followed by an end-of-image marker, which no scan holds. Thumbnails before it have one of their own.
bool is_complete(Bytes file) {
  size_t at = 2;
  while (at + 4 <= file.size && file[at + 1] != 0xDA) {
    bool alone = file[at + 1] == 0xFF || file[at + 1] == 0x01 || (file[at + 1] >= 0xD0 && file[at + 1] <= 0xD8);
    at += file[at + 1] == 0xFF ? 1 : alone ? 2 : 2 + static_cast<size_t>(file.big16(at + 2));
  }
  for (size_t i = file.size; i >= at + 2; i--)
    if (file[i - 2] == 0xFF && file[i - 1] == 0xD9) return true;
  return false;
}

struct Part {
  int x, y, width, height;
};

// The steps that libjpeg may leave by longjmp. Fills the part of out, which has room for the whole image, and a little around it.
bool read_jpeg(JpegDecoder& decoder, Bytes file, int denominator, Part part, int width, int channels, uint8_t* out) {
  jpeg_decompress_struct& codec = decoder.codec;
  if (setjmp(decoder.errors.back)) {
    jpeg_abort_decompress(&codec);
    return false;
  }
  jpeg_mem_src(&codec, file.data, static_cast<unsigned long>(file.size));
  jpeg_read_header(&codec, TRUE);
  codec.out_color_space = channels == 4 ? JCS_CMYK : JCS_RGB;
  codec.scale_num = 1;
  codec.scale_denom = static_cast<unsigned>(denominator);
  codec.dct_method = JDCT_ISLOW;
  jpeg_start_decompress(&codec);

  // Colours are interpolated between neighbours, which have to be there at the part's borders.
  const int margin = 4;
  int left = std::max(0, part.x - margin), right = std::min(width, part.x + part.width + margin);
  JDIMENSION first = static_cast<JDIMENSION>(left), columns = static_cast<JDIMENSION>(right - left);
  if (right - left < width) jpeg_crop_scanline(&codec, &first, &columns);
  if (part.y > 0) jpeg_skip_scanlines(&codec, static_cast<JDIMENSION>(part.y));
  size_t stride = static_cast<size_t>(width) * channels;
  JDIMENSION end = static_cast<JDIMENSION>(part.y + part.height);
  while (codec.output_scanline < end) {
    JSAMPROW rows[8];
    JDIMENSION count = std::min<JDIMENSION>(8, end - codec.output_scanline);
    for (JDIMENSION i = 0; i < count; i++) rows[i] = out + (codec.output_scanline + i) * stride + static_cast<size_t>(first) * channels;
    jpeg_read_scanlines(&codec, rows, count);
  }
  jpeg_abort_decompress(&codec);
  return true;
}

void decode_jpeg(Bytes file, const AttImageInfo& info, int denominator, Part part, uint8_t* out, int64_t capacity) {
  int width = (info.width + denominator - 1) / denominator, height = (info.height + denominator - 1) / denominator;
  expect_room(width, height, 3, capacity);
  if (part.x < 0 || part.y < 0 || part.width < 1 || part.height < 1 || part.width > width - part.x || part.height > height - part.y)
    fail("the part to decode lies outside of the image of " + std::to_string(width) + " x " + std::to_string(height));
  if (!is_complete(file)) fail("truncated JPEG: the file ends before its image does");

  bool cmyk = info.channels == 4;
  std::vector<uint8_t> inks;
  if (cmyk) inks.resize(static_cast<size_t>(width) * height * 4);
  JpegDecoder& decoder = JpegDecoder::of_thread();
  if (!read_jpeg(decoder, file, denominator, part, width, cmyk ? 4 : 3, cmyk ? inks.data() : out))
    fail(std::string("corrupt JPEG: ") + decoder.errors.message);
  if (cmyk) cmyk_to_rgb(inks.data(), out, static_cast<int64_t>(width) * height);
}

// ---- PNG --------------------------------------------------------------------------------------

// libpng reports errors by longjmp: what lives across a call of it must need no destructor.
struct PngStream {
  const uint8_t* in;
  size_t left;
  uint8_t* out;
  size_t size, room;
  char message[192];
};

void png_failed(png_structp png, png_const_charp text) {
  auto* stream = static_cast<PngStream*>(png_get_error_ptr(png));
  if (stream->message[0] == 0) std::snprintf(stream->message, sizeof stream->message, "corrupt PNG: %s", text);
  longjmp(png_jmpbuf(png), 1);
}

void png_warned(png_structp, png_const_charp) {}

void png_read(png_structp png, png_bytep target, size_t length) {
  auto* stream = static_cast<PngStream*>(png_get_io_ptr(png));
  if (length > stream->left) {
    std::snprintf(stream->message, sizeof stream->message, "truncated PNG: the file ends before its image does");
    png_error(png, "");
  }
  std::memcpy(target, stream->in, length);
  stream->in += length;
  stream->left -= length;
}

void png_append(png_structp png, png_bytep bytes, size_t length) {
  auto* stream = static_cast<PngStream*>(png_get_io_ptr(png));
  if (length > stream->room - stream->size) {
    size_t room = std::max(stream->room * 2, stream->size + length);
    auto* grown = static_cast<uint8_t*>(std::realloc(stream->out, room));
    if (grown == nullptr) png_error(png, "out of memory");
    stream->out = grown;
    stream->room = room;
  }
  std::memcpy(stream->out + stream->size, bytes, length);
  stream->size += length;
}

void png_flush_nothing(png_structp) {}

// The steps that libpng may leave by longjmp; rows points to height row pointers.
bool read_png(png_structp png, png_infop info, bool labels, png_bytep* rows, uint8_t* out, size_t stride) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_read_info(png, info);
  int bits = png_get_bit_depth(png, info), type = png_get_color_type(png, info);
  if (labels) {
    png_set_packing(png);  // 1, 2 and 4 bits to bytes of the same value
  } else {
    if (bits == 16) png_set_scale_16(png);
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (!(type & PNG_COLOR_MASK_COLOR)) {
      if (bits < 8) png_set_expand_gray_1_2_4_to_8(png);
      png_set_gray_to_rgb(png);
    }
    png_set_strip_alpha(png);  // a palette may bring some as well
  }
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  if (png_get_rowbytes(png, info) != stride) png_error(png, "the header contradicts itself");
  for (png_uint_32 y = 0; y < png_get_image_height(png, info); y++) rows[y] = out + y * stride;
  png_read_image(png, rows);
  return true;
}

void decode_png(Bytes file, const AttImageInfo& header, bool labels, uint8_t* out, int64_t capacity) {
  expect_room(header.width, header.height, labels ? 1 : 3, capacity);
  PngStream stream{file.data, file.size, nullptr, 0, 0, ""};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &stream, png_failed, png_warned);
  png_infop info = png ? png_create_info_struct(png) : nullptr;
  if (info == nullptr) {
    png_destroy_read_struct(&png, nullptr, nullptr);
    fail("libpng cannot start: out of memory");
  }
  png_set_read_fn(png, &stream, png_read);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // the caller has judged the size
  std::vector<png_bytep> rows(static_cast<size_t>(header.height));
  bool complete = read_png(png, info, labels, rows.data(), out, static_cast<size_t>(header.width) * (labels ? 1 : 3));
  png_destroy_read_struct(&png, &info, nullptr);
  if (!complete) fail(stream.message);
}

bool write_png(png_structp png, png_infop info, const uint8_t* pixels, int width, int height, int channels) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), 8,
               channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  size_t stride = static_cast<size_t>(width) * static_cast<size_t>(channels);
  for (int y = 0; y < height; y++) png_write_row(png, pixels + static_cast<size_t>(y) * stride);
  png_write_end(png, info);
  return true;
}

int64_t encode_png(const uint8_t* pixels, int width, int height, int channels, uint8_t** out) {
  PngStream stream{nullptr, 0, nullptr, 0, 0, ""};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &stream, png_failed, png_warned);
  png_infop info = png ? png_create_info_struct(png) : nullptr;
  if (info == nullptr) {
    png_destroy_write_struct(&png, nullptr);
    fail("libpng cannot start: out of memory");
  }
  png_set_write_fn(png, &stream, png_append, png_flush_nothing);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  bool complete = write_png(png, info, pixels, width, height, channels);
  png_destroy_write_struct(&png, &info);
  if (!complete) {
    std::free(stream.out);
    fail(stream.message);
  }
  *out = stream.out;
  return static_cast<int64_t>(stream.size);
}

bool write_jpeg(jpeg_compress_struct& codec, JpegErrors& errors, const uint8_t* pixels, int width, int height, int channels,
                int quality, uint8_t** out, unsigned long* size) {
  if (setjmp(errors.back)) return false;
  jpeg_create_compress(&codec);
  jpeg_mem_dest(&codec, out, size);
  codec.image_width = static_cast<JDIMENSION>(width);
  codec.image_height = static_cast<JDIMENSION>(height);
  codec.input_components = channels;
  codec.in_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&codec);  // colours at half the resolution
  jpeg_set_quality(&codec, quality, TRUE);
  jpeg_start_compress(&codec, TRUE);
  while (codec.next_scanline < codec.image_height) {
    auto* row = const_cast<JSAMPROW>(pixels + static_cast<size_t>(codec.next_scanline) * static_cast<size_t>(width) * channels);
    jpeg_write_scanlines(&codec, &row, 1);
  }
  jpeg_finish_compress(&codec);
  return true;
}

int64_t encode_jpeg(const uint8_t* pixels, int width, int height, int channels, int quality, uint8_t** out) {
  jpeg_compress_struct codec{};
  JpegErrors errors;
  codec.err = errors.start();
  unsigned long size = 0;
  *out = nullptr;
  bool complete = write_jpeg(codec, errors, pixels, width, height, channels, quality, out, &size);
  jpeg_destroy_compress(&codec);
  if (!complete) {
    std::free(*out);
    fail(std::string("JPEG: ") + errors.message);
  }
  return static_cast<int64_t>(size);
}

// ---- WebP -------------------------------------------------------------------------------------

void decode_webp(Bytes file, const AttImageInfo& info, uint8_t* out, int64_t capacity) {
  expect_room(info.width, info.height, 3, capacity);
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) fail("libwebp is of another version than its headers");
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = out;
  config.output.u.RGBA.stride = info.width * 3;
  config.output.u.RGBA.size = static_cast<size_t>(capacity);
  VP8StatusCode status = WebPDecode(file.data, file.size, &config);
  if (status == VP8_STATUS_SUSPENDED) status = VP8_STATUS_NOT_ENOUGH_DATA;
  if (status != VP8_STATUS_OK) fail_webp(status);
}

#endif

}  // namespace

// Reads the header of an image into info. Decodes nothing.
ATT_EXPORT int32_t att_image_probe(const uint8_t* data, int64_t length, AttImageInfo* info) {
  return attention::guarded(-1, [&] {
#ifdef ATTENTION_CODECS
    *info = probe(Bytes{data, static_cast<size_t>(length)});
    return 0;
#else
    (void)data, (void)length, (void)info;
    unavailable();
    return 0;
#endif
  });
}

// Decodes to interleaved RGB. A JPEG is decoded at 1/denominator (1, 2, 4 or 8) of its size, rounded up; only the part (x, y,
// width, height) of that is filled, what lies around it is undefined.
ATT_EXPORT int32_t att_image_decode(const uint8_t* data, int64_t length, int32_t denominator, int32_t x, int32_t y, int32_t width,
                                    int32_t height, uint8_t* out, int64_t capacity) {
  return attention::guarded(-1, [&] {
#ifdef ATTENTION_CODECS
    Bytes file{data, static_cast<size_t>(length)};
    AttImageInfo info = probe(file);
    if (info.format == ATT_JPEG)
      decode_jpeg(file, info, denominator, Part{x, y, width, height}, out, capacity);
    else if (info.format == ATT_PNG)
      decode_png(file, info, false, out, capacity);
    else
      decode_webp(file, info, out, capacity);
    return 0;
#else
    (void)data, (void)length, (void)denominator, (void)x, (void)y, (void)width, (void)height, (void)out, (void)capacity;
    unavailable();
    return 0;
#endif
  });
}

// Decodes a PNG of one channel to its stored values: palette indices, or grey levels that are not stretched to 8 bits.
ATT_EXPORT int32_t att_image_decode_labels(const uint8_t* data, int64_t length, uint8_t* out, int64_t capacity) {
  return attention::guarded(-1, [&] {
#ifdef ATTENTION_CODECS
    Bytes file{data, static_cast<size_t>(length)};
    AttImageInfo info = probe(file);
    if (info.format != ATT_PNG || info.channels != 1 || info.bits > 8)
      fail("a label map has to be a PNG of one channel and at most 8 bits");
    decode_png(file, info, true, out, capacity);
    return 0;
#else
    (void)data, (void)length, (void)out, (void)capacity;
    unavailable();
    return 0;
#endif
  });
}

// Encodes grey (1 channel) or RGB (3 channels) pixels. Returns the length of *out, which att_image_free frees.
ATT_EXPORT int64_t att_image_encode(int32_t format, const uint8_t* pixels, int32_t width, int32_t height, int32_t channels,
                                    int32_t quality, uint8_t** out) {
  return attention::guarded<int64_t>(-1, [&]() -> int64_t {
#ifdef ATTENTION_CODECS
    if (format == ATT_JPEG) return encode_jpeg(pixels, width, height, channels, quality, out);
    if (format == ATT_PNG) return encode_png(pixels, width, height, channels, out);
    fail("images are written as JPEG or PNG");
#else
    (void)format, (void)pixels, (void)width, (void)height, (void)channels, (void)quality, (void)out;
    unavailable();
#endif
  });
}

ATT_EXPORT void att_image_free(uint8_t* encoded) { std::free(encoded); }
