// Runs the wire code of the ESPHome component (wire.h) on a plain computer.
//
// Without arguments: one request a line on stdin, one answer a line on stdout; every text is in hexadecimal, `-` where
// it is empty.
// - `F <longest line> <chunk>...`: frame and parse -> "M <command> <key>=<value>..." or "E malformed|too-long", joined
//   by ';'
// - `D <raw>`: decode a value -> <text>
// - `E <text>`: encode a value -> <raw>
// - `L <text>...`: encode a list -> <raw>
// - `V | I | P <name>`: is it valid as a variable's name, a device ID, a filter? -> 0 or 1
// - `X <filter> <name>`: does it match? -> 0 or 1
// - `T <text>`: a time -> milliseconds since 1970, or `-`
// With `fuzz <seed> <rounds>`: hostile bytes against the invariants, which abort where they do not hold.

#include "outbox.h"
#include "wire.h"
#include "wire_checks.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

using namespace esphome::textmq;

static std::string from_hex(const std::string &hex) {
  std::string text;
  if (hex != "-") {
    for (size_t i = 0; i + 1 < hex.size(); i += 2)
      text.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return text;
}

static std::string to_hex(std::string_view text) {
  if (text.empty())
    return "-";
  std::string hex;
  for (const char c : text) {
    char digits[3];
    std::snprintf(digits, sizeof(digits), "%02x", static_cast<unsigned char>(c));
    hex += digits;
  }
  return hex;
}

static std::string frame_all(size_t max_line, const std::vector<std::string> &chunks) {
  std::vector<char> buffer(max_line + wire::Framer::LINE_END_SIZE);
  wire::Framer framer(buffer);
  std::string out;
  for (const auto &chunk : chunks) {
    feed(framer, chunk, [&out](wire::Frame frame, wire::Message &message) {
      if (!out.empty())
        out += ";";
      if (frame == wire::Frame::FRAME_MALFORMED) {
        out += "E malformed";
      } else if (frame == wire::Frame::FRAME_TOO_LONG) {
        out += "E too-long";
      } else {
        out += "M " + to_hex(message.command());
        message.for_each([&](std::string_view key, std::string_view value) {
          if (key != "COMMAND")
            out += " " + to_hex(key) + "=" + to_hex(value);
          require(message.get(key) == value, "get() finds what for_each() shows");
        });
      }
    });
  }
  return out;
}

static std::string encode(const std::vector<std::string> &texts, bool list) {
  std::vector<char> buffer(100000);
  wire::Writer writer(buffer, "X");
  if (list) {
    for (size_t i = 0; i < texts.size(); i++)
      writer.item("V", texts[i], i == 0);
  } else {
    writer.param("V", texts[0]);
  }
  const std::string line(buffer.data(), writer.finish());
  static const std::string HEAD = "START | COMMAND=X | V=";
  return line.substr(HEAD.size(), line.size() - HEAD.size() - 7);
}

static std::string answer(const std::string &request) {
  std::istringstream in(request);
  std::string kind, word;
  in >> kind;
  size_t max_line = 0;
  if (kind == "F")
    in >> max_line;
  std::vector<std::string> texts;
  while (in >> word)
    texts.push_back(from_hex(word));
  if (kind == "F")
    return frame_all(max_line, texts);
  if (kind == "D")
    return to_hex(wire::decode_in_place(texts[0]));
  if (kind == "E" || kind == "L")
    return to_hex(encode(texts, kind == "L"));
  if (kind == "V")
    return wire::is_variable_name(texts[0]) ? "1" : "0";
  if (kind == "I")
    return wire::is_device_id(texts[0]) ? "1" : "0";
  if (kind == "P")
    return wire::is_filter(texts[0]) ? "1" : "0";
  if (kind == "X")
    return wire::filter_matches(texts[0], texts[1]) ? "1" : "0";
  if (kind == "T") {
    const auto time = wire::parse_time(texts[0]);
    return time.has_value() ? std::to_string(*time) : "-";
  }
  return "?";
}

static void fuzz_wire(std::mt19937 &random, size_t rounds) {
  const auto below = [&random](size_t n) { return random() % n; };
  static const char *const PIECES[] = {"START",
                                       "END",
                                       "|",
                                       " | ",
                                       "=",
                                       "\n",
                                       "\r\n",
                                       "\r",
                                       " ",
                                       "\t",
                                       "SUB",
                                       "VALUE",
                                       "x",
                                       "\\u",
                                       "\\",
                                       "d83d",
                                       "\xff",
                                       "|END",
                                       "START|COMMAND=A|END",
                                       "START | COMMAND=",
                                       " | END\n",
                                       "key",
                                       "COMMAND"};
  std::vector<char> buffer;
  for (size_t round = 0; round < rounds; round++) {
    const size_t max_line = 16 + below(80);
    buffer.assign(max_line + wire::Framer::LINE_END_SIZE, '\0');
    wire::Framer framer(buffer);
    for (size_t chunks = 1 + below(8); chunks > 0; chunks--) {
      std::string chunk;
      for (size_t pieces = below(24); pieces > 0; pieces--) {
        if (below(8) == 0) {
          chunk.push_back(static_cast<char>(below(256)));
        } else {
          chunk += PIECES[below(std::size(PIECES))];
        }
      }
      feed(framer, chunk, [max_line](wire::Frame frame, wire::Message &message) {
        if (frame != wire::Frame::FRAME_MESSAGE)
          return;
        size_t size = 0;
        std::string last;
        message.for_each([&](std::string_view key, std::string_view value) {
          size += key.size() + value.size();
          last = key;
        });
        require(size <= max_line, "a message is no longer than its line");
        const size_t raw = message.get(last)->size();
        require(message.take_text(last).size() <= raw, "decoding never makes a text longer");
      });
    }
    // Whatever the line has seen, a line feed and a good message get through.
    std::string text;
    for (size_t n = below(6); n > 0; n--)
      text.push_back(static_cast<char>(below(128)));
    wire::Message message;
    std::vector<char> line(200);
    wire::Writer writer(line, "A");
    const size_t size = writer.param("V", text).finish();
    if (size > max_line)
      continue;
    std::string got = "nothing";
    feed(framer, "\n" + std::string(line.data(), size), [&got](wire::Frame frame, wire::Message &message) {
      got = frame == wire::Frame::FRAME_MESSAGE ? std::string(message.take_text("V")) : "an error";
    });
    require(got == text, "a value comes out as it went in");
    // A writer with too little room says so and stays inside.
    std::vector<char> small(below(size + 1));
    require((wire::Writer(small, "A").param("V", text).finish() == 0) == (small.size() < size), "the writer keeps in");
    // Names and filters of any bytes.
    for (const std::string &name : {text, std::string(below(300), static_cast<char>(below(256)))}) {
      wire::is_device_id(name);
      if (wire::is_filter(name) && wire::is_variable_name(name))
        require(wire::filter_matches(name, name), "a name matches itself");
    }
  }
}

struct ModelLine {
  std::string text;
  size_t sent;
  bool urgent;
};

// What the outbox does, said in the simplest way.
class Model {
 public:
  Model(const Outbox &outbox, size_t size) : outbox_(outbox), size_(size) {}

  std::deque<ModelLine> lines;

  std::deque<ModelLine>::iterator first_not_begun() {
    return std::find_if(this->lines.begin(), this->lines.end(), [](const auto &line) { return line.sent == 0; });
  }
  void push_urgent(const std::string &text) {
    auto at = this->first_not_begun();
    while (at != this->lines.end() && at->urgent)
      ++at;
    this->lines.insert(at, {text, 0, true});
  }
  void drop_unsent(const std::string &piece) {
    std::erase_if(this->lines, [&piece](const auto &line) {
      return line.sent == 0 && !line.urgent && line.text.find(piece) != std::string::npos;
    });
  }
  void send(size_t size) {
    for (auto &line : this->lines) {
      const size_t now = std::min(size, line.text.size() - line.sent);
      line.sent += now;
      size -= now;
    }
    std::erase_if(this->lines,
                  [](const auto &line) { return line.sent == line.text.size() && !Outbox::is_answered(line.text); });
  }
  std::string oldest() const {
    if (this->lines.empty() || !Outbox::is_answered(this->lines[0].text))
      return "";
    return this->lines[0].sent + 1 >= this->lines[0].text.size() ? this->lines[0].text : "";
  }
  void check() const {
    std::string unsent;
    size_t at = 0;
    size_t sent = 0;
    size_t to_last_urgent = 0;
    size_t to_half = 0;
    for (const auto &line : this->lines) {
      at += line.text.size();
      sent += line.sent;
      unsent += line.text.substr(line.sent);
      if (line.urgent && line.sent < line.text.size())
        to_last_urgent = unsent.size();
      if (at <= this->size_ / 2)
        to_half = unsent.size();
    }
    const size_t rest_of_first = this->lines.empty() ? 0 : this->lines[0].text.size() - this->lines[0].sent;
    const size_t offered = std::max({to_half, to_last_urgent, rest_of_first});
    require(this->outbox_.unsent() == unsent.substr(0, offered), "what is to be sent");
    require(this->outbox_.unsent_urgent() == unsent.substr(0, to_last_urgent), "what is urgent comes first");
    require(this->outbox_.oldest() == this->oldest(), "the oldest line without an answer");
    require(this->outbox_.empty() == this->lines.empty(), "empty or not");
    require(offered != 0 || unsent.empty() || !this->oldest().empty(), "an answer is awaited where nothing is sent");
  }

 protected:
  const Outbox &outbox_;
  size_t size_;
};

static void fuzz_outbox(std::mt19937 &random, size_t rounds) {
  const auto below = [&random](size_t n) { return random() % n; };
  for (size_t round = 0; round < rounds; round++) {
    std::vector<char> buffer(Outbox::URGENT_SIZE + below(400));
    Outbox outbox(buffer);
    Model model(outbox, buffer.size());
    for (size_t step = 0; step < 60; step++) {
      const std::string piece = "V=" + std::to_string(below(4)) + " ";
      switch (below(7)) {
        case 0:
        case 1: {
          wire::Writer writer(outbox.space(), "PUB");
          const size_t size =
              writer.param("V", std::to_string(below(4))).param("W", std::string(below(30), 'x')).finish();
          model.check();
          if (size != 0) {
            model.lines.push_back({std::string(outbox.space().data(), size), 0, false});
            outbox.push(size);
          }
          break;
        }
        case 2: {
          wire::Writer writer(outbox.urgent_space(), below(2) == 0 ? "HELLO!" : "ID");
          if (const size_t size = writer.finish(); size != 0) {
            model.push_urgent(std::string(outbox.urgent_space().data(), size));
            outbox.push_urgent(size);
          }
          break;
        }
        case 3:
          outbox.drop_unsent([&piece](std::string_view line) { return line.find(piece) != std::string_view::npos; });
          model.drop_unsent(piece);
          break;
        case 4:
        case 5: {
          const size_t size = below(outbox.unsent().size() + 1);
          outbox.sent(size);
          model.send(size);
          break;
        }
        default:
          if (below(8) == 0) {
            outbox.restart([](std::string_view line) { return line.find("PUB") != std::string_view::npos; });
            std::erase_if(model.lines, [](const auto &line) { return line.text.find("PUB") == std::string::npos; });
            for (auto &line : model.lines)
              line.sent = 0;
          } else if (!outbox.oldest().empty()) {
            outbox.pop_oldest();
            model.lines.pop_front();
          }
      }
      model.check();
    }
  }
}

int main(int argc, char **argv) {
  if (argc == 4 && std::string(argv[1]) == "fuzz") {
    std::mt19937 random(std::atoi(argv[2]));
    fuzz_wire(random, std::atoi(argv[3]));
    fuzz_outbox(random, std::atoi(argv[3]));
    return 0;
  }
  std::string request;
  while (std::getline(std::cin, request))
    std::cout << answer(request) << "\n";
}
