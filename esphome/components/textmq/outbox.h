#pragma once

#include "wire.h"

#include <algorithm>

namespace esphome::textmq {

/// The lines on their way to the broker, in one fixed buffer: first those that were sent and wait for their answer (it
/// answers in order), then those that wait to be sent.
class Outbox {
 public:
  /// Room that only urgent lines may use.
  static constexpr size_t URGENT_SIZE = 384;

  explicit Outbox(std::span<char> buffer) : buffer_(buffer) {}

  /// Where the next line is to be written before push().
  std::span<char> space() const {
    const std::span<char> free = this->urgent_space();
    return free.first(free.size() - std::min(free.size(), URGENT_SIZE));
  }
  /// The same before push_urgent(), and where the line has to fit.
  std::span<char> urgent_space() const { return this->buffer_.subspan(this->size_); }

  void push(size_t size) { this->size_ += size; }

  /// Forgets lines that were not begun to be sent.
  template<typename F> void drop_unsent(F &&drop) {
    size_t at = std::max(this->end_of_begun_(), this->urgent_end_);
    while (at < this->size_) {
      const std::string_view line = this->line_at_(at);
      if (drop(line)) {
        this->erase_(at, line.size());
      } else {
        at += line.size();
      }
    }
  }

  /// Goes before the lines that were not begun to be sent.
  void push_urgent(size_t size) {
    const size_t at = std::max(this->end_of_begun_(), this->urgent_end_);
    std::rotate(this->begin_() + at, this->begin_() + this->size_, this->begin_() + this->size_ + size);
    this->size_ += size;
    this->urgent_end_ = at + size;
  }

  /// What is to be sent next: whole lines, and no more than that half of the buffer waits for answers, so that the
  /// other half is left for what can still be replaced by something newer.
  std::string_view unsent() const {
    const size_t half = this->begin_of_line_(std::min(this->buffer_.size() / 2, this->size_));
    const size_t first = this->line_at_(0).size();
    return this->view_(this->sent_, std::max({half, first, this->urgent_end_, this->sent_}) - this->sent_);
  }
  std::string_view unsent_urgent() const {
    return this->view_(this->sent_, std::max(this->urgent_end_, this->sent_) - this->sent_);
  }

  /// So much of unsent() went out. Lines that get no answer are gone with it.
  void sent(size_t size) {
    const size_t end = this->sent_ + size;
    size_t at = this->begin_of_line_(this->sent_);
    this->sent_ = end;
    while (at < this->sent_) {
      const std::string_view line = this->line_at_(at);
      if (at + line.size() <= this->sent_ && !is_answered(line)) {
        this->erase_(at, line.size());
      } else {
        at += line.size();
      }
    }
  }

  /// The oldest line that was sent and waits for its answer, or nothing. The broker may answer before the line feed.
  std::string_view oldest() const {
    if (this->sent_ == 0)
      return {};
    const std::string_view line = this->line_at_(0);
    return line.size() <= this->sent_ + 1 && is_answered(line) ? line : std::string_view{};
  }

  void pop_oldest() { this->erase_(0, this->oldest().size()); }

  /// Nothing was sent, as a new connection sees it, and only these lines are still to be.
  template<typename F> void restart(F &&keep) {
    this->sent_ = this->urgent_end_ = 0;
    this->drop_unsent([&keep](std::string_view line) { return !keep(line); });
  }

  bool empty() const { return this->size_ == 0; }

  /// The keep-alive and CLOSE get no OK.
  static bool is_answered(std::string_view line) {
    line.remove_prefix(std::min(line.size(), wire::Writer::HEAD.size()));
    return !line.starts_with("HELLO") && !line.starts_with("CLOSE");
  }

 protected:
  char *begin_() const { return this->buffer_.data(); }
  std::string_view view_(size_t at, size_t size) const { return {this->begin_() + at, size}; }
  std::string_view line_at_(size_t at) const {
    const std::string_view rest = this->view_(at, this->size_ - at);
    return rest.substr(0, rest.find('\n') + 1);
  }
  size_t begin_of_line_(size_t at) const {
    while (at > 0 && this->buffer_[at - 1] != '\n')
      at--;
    return at;
  }
  size_t end_of_begun_() const {
    const size_t begin = this->begin_of_line_(this->sent_);
    return begin == this->sent_ ? begin : begin + this->line_at_(begin).size();
  }

  void erase_(size_t at, size_t size) {
    char *const hole = this->begin_() + at;
    std::memmove(hole, hole + size, this->size_ - at - size);
    this->size_ -= size;
    if (this->sent_ > at)
      this->sent_ -= std::min(size, this->sent_ - at);
    if (this->urgent_end_ > at)
      this->urgent_end_ -= std::min(size, this->urgent_end_ - at);
  }

  std::span<char> buffer_;
  size_t size_{0};
  size_t sent_{0};
  size_t urgent_end_{0};
};

}  // namespace esphome::textmq
