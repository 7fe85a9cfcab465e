// The few things of Arduino's core that the example uses, for this machine: a sketch is compiled with it as it is.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

class String {
 public:
  String() = default;
  String(const char *text) : text_(text) {}
  String(std::string text) : text_(std::move(text)) {}
  explicit String(uint32_t number) : text_(std::to_string(number)) {}

  unsigned int length() const { return this->text_.size(); }
  const char *c_str() const { return this->text_.c_str(); }

  // As on a board: -1 where there is none.
  int indexOf(const String &wanted, unsigned int from = 0) const {
    const size_t found = this->text_.find(wanted.text_, from);
    return found == std::string::npos ? -1 : static_cast<int>(found);
  }

  // As on a board: an end that lies behind the text, as -1 does as unsigned, is the end of the text.
  String substring(unsigned int from, unsigned int to) const {
    return from >= this->text_.size() ? String() : String(this->text_.substr(from, to - from));
  }

  bool operator==(const String &other) const { return this->text_ == other.text_; }
  bool operator!=(const String &other) const { return this->text_ != other.text_; }
  String operator+(const String &other) const { return String(this->text_ + other.text_); }
  friend String operator+(const char *left, const String &right) { return String(left) + right; }

  String &operator+=(char next) {
    this->text_ += next;
    return *this;
  }

 private:
  std::string text_;
};

inline uint32_t millis() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(since).count());
}

inline void delay(uint32_t milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

// A board would start again after that; here the program ends.
[[noreturn]] inline void esp_deep_sleep(uint64_t) { std::exit(0); }

class SerialPort {
 public:
  void begin(unsigned long) {}
  void println(const String &line) { std::cerr << line.c_str() << std::endl; }
};

inline SerialPort Serial;

void setup();
void loop();
