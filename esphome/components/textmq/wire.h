#pragma once

/// The wire of TextMQ (docs/protocol.md): framing, parsing, escapes, names and filters.
/// Standard library only, no allocation, every buffer is the caller's.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace esphome::textmq::wire {

static constexpr size_t MAX_VARIABLE_LENGTH = 255;
static constexpr size_t MAX_LEVELS = 16;
static constexpr size_t MAX_DEVICE_ID_LENGTH = 64;

// ---- characters

inline bool is_blank(char c) { return c == ' ' || c == '\t'; }
inline bool is_printable(char c) { return c >= 0x20 && c <= 0x7E; }
inline char to_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

inline std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back()))
    text.remove_suffix(1);
  return text;
}

/// Compares without regard to case; the second is given in upper case.
inline bool starts_with_word(std::string_view text, std::string_view upper) {
  if (text.size() < upper.size())
    return false;
  for (size_t i = 0; i < upper.size(); i++) {
    if (to_upper(text[i]) != upper[i])
      return false;
  }
  return true;
}

inline bool is_word(std::string_view text, std::string_view upper) {
  return text.size() == upper.size() && starts_with_word(text, upper);
}

// ---- names and filters (protocol A5, B3)

namespace internal {

inline bool is_name(std::string_view name, size_t max_length, std::string_view forbidden) {
  if (name.empty() || name.size() > max_length || name.front() == ' ' || name.back() == ' ')
    return false;
  for (const char c : name) {
    if (!is_printable(c) || forbidden.find(c) != std::string_view::npos)
      return false;
  }
  return true;
}

/// Takes the first level off the path; the separator goes with it.
inline std::string_view take_level(std::string_view &path) {
  const size_t slash = path.find('/');
  const std::string_view level = path.substr(0, slash);
  path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
  return level;
}

/// Neither an empty level nor more levels than allowed; the path is not empty.
inline bool has_valid_levels(std::string_view path) {
  size_t slashes = 0;
  for (const char c : path)
    slashes += c == '/';
  return slashes < MAX_LEVELS && path.front() != '/' && path.back() != '/' && path.find("//") == std::string_view::npos;
}

}  // namespace internal

inline bool is_variable_name(std::string_view name) {
  return internal::is_name(name, MAX_VARIABLE_LENGTH, "|+#\\") && internal::has_valid_levels(name);
}

inline bool is_device_id(std::string_view id) {
  return internal::is_name(id, MAX_DEVICE_ID_LENGTH, "|+#\\/") && id != "*" && !is_word(id, "HOMEASSISTANT");
}

/// Who may get a MSG: a device, all of them (`*`), or Home Assistant.
inline bool is_recipient(std::string_view id) { return id == "*" || is_word(id, "HOMEASSISTANT") || is_device_id(id); }

inline bool is_filter(std::string_view filter) {
  if (!internal::is_name(filter, MAX_VARIABLE_LENGTH, "|\\") || !internal::has_valid_levels(filter))
    return false;
  while (!filter.empty()) {
    const std::string_view level = internal::take_level(filter);
    if (level == "#")
      return filter.empty();
    if (level != "+" && level.find_first_of("+#") != std::string_view::npos)
      return false;
  }
  return true;
}

/// Both must be valid. A name that begins with `$` is matched only by a filter that begins with it, too.
inline bool filter_matches(std::string_view filter, std::string_view name) {
  if (name.front() == '$' && filter.front() != '$')
    return false;
  while (!filter.empty()) {
    const std::string_view level = internal::take_level(filter);
    if (level == "#")
      return true;
    if (name.empty())
      return false;
    const std::string_view name_level = internal::take_level(name);
    if (level != "+" && level != name_level)
      return false;
  }
  return name.empty();
}

// ---- values (protocol A5)

namespace internal {

static constexpr uint32_t REPLACEMENT_CHARACTER = 0xFFFD;

inline bool is_high_surrogate(uint32_t unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
inline bool is_low_surrogate(uint32_t unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

inline size_t put_utf8(uint32_t code_point, char *out) {
  if (code_point < 0x80) {
    out[0] = static_cast<char>(code_point);
    return 1;
  }
  const size_t tail = code_point < 0x800 ? 1 : (code_point < 0x10000 ? 2 : 3);
  static constexpr uint8_t LEAD[] = {0, 0xC0, 0xE0, 0xF0};
  out[0] = static_cast<char>(LEAD[tail] | (code_point >> (6 * tail)));
  for (size_t i = 1; i <= tail; i++)
    out[i] = static_cast<char>(0x80 | ((code_point >> (6 * (tail - i))) & 0x3F));
  return tail + 1;
}

/// Takes one character off the text; a byte that is no UTF-8 becomes the replacement character.
inline uint32_t take_utf8(std::string_view &text) {
  const auto lead = static_cast<uint8_t>(text.front());
  text.remove_prefix(1);
  if (lead < 0x80)
    return lead;
  const size_t tail = lead >= 0xF0 ? 3 : (lead >= 0xE0 ? 2 : 1);
  static constexpr uint32_t LOWEST[] = {0, 0x80, 0x800, 0x10000};
  if (lead < 0xC2 || lead > 0xF4 || text.size() < tail)
    return REPLACEMENT_CHARACTER;
  uint32_t code_point = lead & (0x3F >> tail);
  for (size_t i = 0; i < tail; i++) {
    const auto next = static_cast<uint8_t>(text[i]);
    if ((next & 0xC0) != 0x80)
      return REPLACEMENT_CHARACTER;
    code_point = (code_point << 6) | (next & 0x3F);
  }
  if (code_point < LOWEST[tail] || code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF))
    return REPLACEMENT_CHARACTER;
  text.remove_prefix(tail);
  return code_point;
}

/// The code unit of a `\uXXXX` at the front of the text.
inline std::optional<uint32_t> unicode_escape(std::string_view text) {
  if (text.size() < 6 || text[0] != '\\' || text[1] != 'u')
    return std::nullopt;
  uint32_t unit = 0;
  for (const char c : text.substr(2, 4)) {
    const char digit = to_upper(c);
    if (digit >= '0' && digit <= '9') {
      unit = unit * 16 + (digit - '0');
    } else if (digit >= 'A' && digit <= 'F') {
      unit = unit * 16 + (digit - 'A' + 10);
    } else {
      return std::nullopt;
    }
  }
  return unit;
}

}  // namespace internal

/// Reads a TIME (protocol B3): milliseconds since 1970.
inline std::optional<int64_t> parse_time(std::string_view text) {
  static constexpr std::string_view SHAPE = "dddd-dd-ddTdd:dd:dd.dddZ";
  if (text.size() != SHAPE.size())
    return std::nullopt;
  int32_t field[7] = {};
  size_t count = 0;
  for (size_t i = 0; i < SHAPE.size(); i++) {
    if (SHAPE[i] != 'd') {
      if (text[i] != SHAPE[i])
        return std::nullopt;
      count++;
    } else if (text[i] < '0' || text[i] > '9') {
      return std::nullopt;
    } else {
      field[count] = field[count] * 10 + (text[i] - '0');
    }
  }
  const auto [year, month, day, hour, minute, second, millisecond] = field;
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
    return std::nullopt;
  // Days since 1970-01-01 in the Gregorian calendar, with the year beginning in March.
  const int32_t shifted_year = month > 2 ? year : year - 1;
  const int32_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const int32_t days =
      365 * shifted_year + shifted_year / 4 - shifted_year / 100 + shifted_year / 400 + day_of_year - 719468;
  return ((static_cast<int64_t>(days) * 24 + hour) * 60 + minute) * 60000LL + second * 1000LL + millisecond;
}

/// Resolves the escapes where the text stands; the result is UTF-8 and never longer.
inline std::string_view decode_in_place(std::span<char> text) {
  size_t in = 0;
  size_t out = 0;
  while (in < text.size()) {
    const std::string_view rest(&text[in], text.size() - in);
    if (rest[0] != '\\' || rest.size() < 2) {
      text[out++] = text[in++];
      continue;
    }
    if (const auto unit = internal::unicode_escape(rest); unit.has_value()) {
      uint32_t code_point = *unit;
      in += 6;
      if (internal::is_high_surrogate(code_point)) {
        const auto low = internal::unicode_escape(rest.substr(6));
        if (low.has_value() && internal::is_low_surrogate(*low)) {
          code_point = 0x10000 + ((code_point - 0xD800) << 10) + (*low - 0xDC00);
          in += 6;
        }
      }
      if (code_point >= 0xD800 && code_point <= 0xDFFF)
        code_point = internal::REPLACEMENT_CHARACTER;
      out += internal::put_utf8(code_point, &text[out]);
      continue;
    }
    static constexpr std::string_view LETTERS = "\\nrt";
    static constexpr std::string_view MEANINGS = "\\\n\r\t";
    const size_t letter = LETTERS.find(rest[1]);
    if (letter == std::string_view::npos) {
      text[out++] = text[in++];
    } else {
      text[out++] = MEANINGS[letter];
      in += 2;
    }
  }
  return {text.data(), out};
}

// ---- writing

/// Writes one message into the space that it is given. Every value is escaped, so that no text can end a parameter or a
/// line. What does not fit makes the whole message void: finish() tells.
class Writer {
 public:
  static constexpr std::string_view HEAD = "START | COMMAND=";

  Writer(std::span<char> space, std::string_view command) : space_(space) {
    this->put_(HEAD);
    this->put_(command);
  }

  Writer &param(std::string_view key, std::string_view text) {
    this->begin_param_(key);
    this->put_escaped_(text);
    return *this;
  }

  /// Leaves the parameter out where the text is empty, or where it does not fit.
  Writer &optional_param(std::string_view key, std::string_view text) {
    if (text.empty() || this->overflow_)
      return *this;
    const size_t before = this->size_;
    this->param(key, text);
    if (this->overflow_ || this->size_ + TAIL.size() > this->space_.size()) {
      this->size_ = before;
      this->overflow_ = false;
    }
    return *this;
  }

  /// One item of a comma-separated list; the first begins the parameter.
  Writer &item(std::string_view key, std::string_view text, bool first) {
    if (first) {
      this->begin_param_(key);
    } else {
      this->put_(",");
    }
    this->put_escaped_(text, true);
    return *this;
  }

  /// Ends the message. Returns its length with the line feed, or 0 where it did not fit.
  size_t finish() {
    this->put_(TAIL);
    return this->overflow_ ? 0 : this->size_;
  }

 protected:
  static constexpr std::string_view TAIL = " | END\n";

  void begin_param_(std::string_view key) {
    this->put_(" | ");
    this->put_(key);
    this->put_("=");
  }

  void put_(std::string_view text) {
    if (this->overflow_ || text.size() > this->space_.size() - this->size_) {
      this->overflow_ = true;
      return;
    }
    std::memcpy(this->space_.data() + this->size_, text.data(), text.size());
    this->size_ += text.size();
  }

  void put_unit_(uint32_t unit) {
    static constexpr char DIGITS[] = "0123456789abcdef";
    const char escape[] = {
        '\\', 'u', DIGITS[(unit >> 12) & 15], DIGITS[(unit >> 8) & 15], DIGITS[(unit >> 4) & 15], DIGITS[unit & 15]};
    this->put_({escape, sizeof(escape)});
  }

  void put_escaped_(std::string_view text, bool in_list = false) {
    const char *const begin = text.data();
    while (!text.empty()) {
      const bool at_edge = text.data() == begin || text.size() == 1;
      const uint32_t c = internal::take_utf8(text);
      if (c == '\\') {
        this->put_("\\\\");
      } else if (c == '\n') {
        this->put_("\\n");
      } else if (c == '\r') {
        this->put_("\\r");
      } else if (c == '\t') {
        this->put_("\\t");
      } else if (c >= 0x10000) {
        this->put_unit_(0xD800 + ((c - 0x10000) >> 10));
        this->put_unit_(0xDC00 + ((c - 0x10000) & 0x3FF));
      } else if (c < 0x20 || c > 0x7E || c == '|' || (c == ' ' && at_edge) || (c == ',' && in_list)) {
        this->put_unit_(c);
      } else {
        const char plain = static_cast<char>(c);
        this->put_({&plain, 1});
      }
    }
  }

  std::span<char> space_;
  size_t size_{0};
  bool overflow_{false};
};

// ---- reading

/// One parsed message: a view into the buffer of the framer, valid until its next call.
class Message {
 public:
  /// Checks the text from START to END. Keys and the command are turned to upper case where they stand.
  bool parse(std::span<char> text) {
    for (const char c : text) {
      if (!is_printable(c) && c != '\t')
        return false;
    }
    const std::string_view view(text.data(), text.size());
    const size_t first = view.find('|');
    const size_t last = view.rfind('|');
    if (first == last || !is_word(trim(view.substr(0, first)), "START") || !is_word(trim(view.substr(last + 1)), "END"))
      return false;
    this->params_ = text.subspan(first + 1, last - first - 1);

    std::span<char> rest = this->params_;
    size_t count = 0;
    do {
      const Param param = take_param(rest);
      if (!is_key(view_of(param.key)) || this->has_key_(param.key, count))
        return false;
      to_upper_in_place(param.key);
      if (count++ == 0) {
        if (view_of(param.key) != "COMMAND" || param.value.empty())
          return false;
        to_upper_in_place(param.value);
        this->command_ = view_of(param.value);
      }
    } while (rest.data() != nullptr);
    return true;
  }

  std::string_view command() const { return this->command_; }

  /// The parameter as it stands in the line.
  std::optional<std::string_view> get(std::string_view key) const {
    const auto value = this->find_(key);
    if (!value.has_value())
      return std::nullopt;
    return view_of(*value);
  }

  /// Resolves the escapes of the parameter in place; the message is not to be read any more afterwards.
  std::string_view take_text(std::string_view key) {
    const auto value = this->find_(key);
    return value.has_value() ? decode_in_place(*value) : std::string_view{};
  }

  /// Calls f(key, value) for every parameter, COMMAND too.
  template<typename F> void for_each(F &&f) const {
    std::span<char> rest = this->params_;
    do {
      const Param param = take_param(rest);
      f(view_of(param.key), view_of(param.value));
    } while (rest.data() != nullptr);
  }

 protected:
  struct Param {
    std::span<char> key;
    std::span<char> value;
  };

  static std::string_view view_of(std::span<char> text) { return {text.data(), text.size()}; }

  static std::span<char> trimmed(std::span<char> text) {
    const std::string_view inner = trim(view_of(text));
    return text.subspan(inner.empty() ? 0 : inner.data() - text.data(), inner.size());
  }

  static void to_upper_in_place(std::span<char> text) {
    for (char &c : text)
      c = to_upper(c);
  }

  static bool is_key(std::string_view key) {
    return !key.empty() && key.find_first_of(" \t") == std::string_view::npos && !starts_with_word(key, "END");
  }

  /// Takes the first parameter off the rest, which has no data after the last. Without a `=` its key is empty.
  static Param take_param(std::span<char> &rest) {
    const size_t bar = view_of(rest).find('|');
    const std::span<char> field = rest.first(bar == std::string_view::npos ? rest.size() : bar);
    rest = bar == std::string_view::npos ? std::span<char>{} : rest.subspan(bar + 1);
    const size_t equals = view_of(field).find('=');
    if (equals == std::string_view::npos)
      return {};
    return {trimmed(field.first(equals)), trimmed(field.subspan(equals + 1))};
  }

  /// Whether one of the first parameters, whose keys are in upper case already, has this key.
  bool has_key_(std::span<char> key, size_t among) const {
    std::span<char> rest = this->params_;
    for (size_t i = 0; i < among; i++) {
      if (is_word(view_of(key), view_of(take_param(rest).key)))
        return true;
    }
    return false;
  }

  std::optional<std::span<char>> find_(std::string_view key) const {
    std::span<char> rest = this->params_;
    do {
      const Param param = take_param(rest);
      if (view_of(param.key) == key)
        return param.value;
    } while (rest.data() != nullptr);
    return std::nullopt;
  }

  std::span<char> params_;
  std::string_view command_;
};

enum class Frame : uint8_t { FRAME_NONE, FRAME_MESSAGE, FRAME_MALFORMED, FRAME_TOO_LONG };

/// Cuts what is received into messages (protocol A1). Receive into space(), tell received(), then call next() until it
/// returns FRAME_NONE; there is always space again after that.
class Framer {
 public:
  /// Room that a buffer needs beside the longest line: for CR and LF.
  static constexpr size_t LINE_END_SIZE = 2;

  explicit Framer(std::span<char> buffer) : buffer_(buffer) {}

  std::span<char> space() const { return this->buffer_.subspan(this->end_); }
  void received(size_t size) { this->end_ += size; }

  void reset() {
    this->begin_ = this->end_ = 0;
    this->skipping_ = false;
  }

  Frame next(Message &message) {
    if (!this->skip_rest_of_line_() || !this->skip_empty_lines_())
      return this->wait_();
    const std::string_view received(&this->buffer_[this->begin_], this->end_ - this->begin_);
    const size_t line_end = received.find_first_of("\r\n");
    const bool has_line_end = line_end != std::string_view::npos;
    const std::string_view line = received.substr(0, line_end);
    const size_t max_line = this->buffer_.size() - LINE_END_SIZE;

    const End end = find_end(line);
    if (end.size == 0 && !has_line_end && line.size() <= max_line)
      return this->wait_();
    if ((end.size == 0 ? line.size() : end.next) > max_line) {
      this->skipping_ = true;
      return Frame::FRAME_TOO_LONG;
    }
    const size_t start = skip_padding(line, 0);
    const std::span<char> text = this->buffer_.subspan(this->begin_ + start, end.size == 0 ? 0 : end.size - start);
    // What ends the line is an empty line to the next call.
    this->begin_ += end.size == 0 ? line.size() : end.next;
    return end.size != 0 && message.parse(text) ? Frame::FRAME_MESSAGE : Frame::FRAME_MALFORMED;
  }

 protected:
  /// Where the message ends, its END included, and where the next begins; size 0 where it does not end.
  struct End {
    size_t size;
    size_t next;
  };

  static bool is_padding(char c) { return is_blank(c) || c == '\0'; }

  static size_t skip_blanks(std::string_view text, size_t at) {
    while (at < text.size() && is_blank(text[at]))
      at++;
    return at;
  }

  static size_t skip_padding(std::string_view text, size_t at) {
    while (at < text.size() && is_padding(text[at]))
      at++;
    return at;
  }

  static End find_end(std::string_view line) {
    for (size_t bar = line.find('|'); bar != std::string_view::npos; bar = line.find('|', bar + 1)) {
      const size_t word = skip_blanks(line, bar + 1);
      if (!starts_with_word(line.substr(word), "END"))
        continue;
      const size_t size = word + 3;
      const size_t next = skip_padding(line, size);
      if (next == line.size())
        return {size, next};
      const size_t after = skip_blanks(line, next + 5);
      if (starts_with_word(line.substr(next), "START") && after < line.size() && line[after] == '|')
        return {size, next};
    }
    return {0, 0};
  }

  /// False while the line that is passed over has not ended: nothing but a line feed ends it.
  bool skip_rest_of_line_() {
    if (!this->skipping_)
      return true;
    const void *line_feed = std::memchr(this->buffer_.data() + this->begin_, '\n', this->end_ - this->begin_);
    if (line_feed == nullptr) {
      this->begin_ = this->end_;
      return false;
    }
    this->begin_ = static_cast<const char *>(line_feed) - this->buffer_.data() + 1;
    this->skipping_ = false;
    return true;
  }

  /// False where nothing else is left.
  bool skip_empty_lines_() {
    for (size_t at = this->begin_; at < this->end_; at++) {
      const char c = this->buffer_[at];
      if (c == '\n' || c == '\r') {
        this->begin_ = at + 1;
      } else if (!is_padding(c)) {
        return true;
      }
    }
    return this->begin_ < this->end_;
  }

  Frame wait_() {
    std::memmove(this->buffer_.data(), this->buffer_.data() + this->begin_, this->end_ - this->begin_);
    this->end_ -= this->begin_;
    this->begin_ = 0;
    return Frame::FRAME_NONE;
  }

  std::span<char> buffer_;
  size_t begin_{0};
  size_t end_{0};
  bool skipping_{false};
};

}  // namespace esphome::textmq::wire
