#pragma once
// Console: the only place that prints. Data goes to stdout, talk to stderr, in every mode.
//
// Invariant: what it prints contains no control character but line ends, tabs and its own colours, whatever the data
// contains (text.hpp); neither on a terminal nor in a pipe.
//
// What is data: that for which the user ran the command, in the format asked for with -o. What is talk: progress,
// notes, warnings, errors. Colour, widths and "3 min ago" are for terminals; a pipe gets tab-separated fields and RFC
// 3339.
//
// Not here: tables and records (table.hpp), the wording of suggestions (suggest.hpp).

#include <boost/json/value.hpp>
#include <cstdio>
#include <string>
#include <string_view>

#include "cli/output/failure.hpp"
#include "cli/output/text.hpp"

namespace epic::cli {

enum class Format { text, json, jsonl };
enum class ColorMode { automatic, always, never };
enum class Stream { out, err };
enum class Paint { plain, bold, dim, red, green, yellow, blue, magenta, cyan };

struct ConsoleOptions {
  Format format = Format::text;
  ColorMode color = ColorMode::automatic;
  int verbosity = 0;  // -1 quiet, 0 normal, 1 and 2 for -v and -vv
};

class Relay;

class Console {
 public:
  explicit Console(ConsoleOptions options = {});
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  void configure(ConsoleOptions options);
  [[nodiscard]] Format format() const { return options_.format; }
  [[nodiscard]] bool is_json() const { return options_.format != Format::text; }
  [[nodiscard]] int verbosity() const { return options_.verbosity; }
  [[nodiscard]] bool is_terminal(Stream stream) const;
  /// Columns of the terminal behind `stream`; 80 if there is none.
  [[nodiscard]] std::size_t width(Stream stream) const;
  /// `text` with colour codes if `stream` shows colours.
  [[nodiscard]] std::string paint(Stream stream, Paint paint, std::string_view text) const;

  /// Data: prints `text`, with a line end if it has none.
  void print(std::string_view text);
  /// Data: one JSON value, indented for -o json, on one line for jsonl.
  void print_json(const boost::json::value& value);

  /// A message that -q silences: progress, hints.
  void note(std::string_view text);
  /// A message for -v only.
  void detail(std::string_view text);
  /// A message that -q does not silence.
  void warn(std::string_view text);
  void error(const Failure& failure);

  /// A message without a line end: a question, whose answer is typed after it.
  void ask(std::string_view question);

  /// Replaces the progress line at the bottom; terminals only. Empty text removes it.
  void progress(std::string_view text);

  /// What is printed from now on goes through it, until it is set back; null: straight to stdout and stderr.
  void set_relay(Relay* relay);

  /// Flushes everything. False if stdout could not be written (a full disk, a closed pipe).
  [[nodiscard]] bool flush();

 private:
  void write(Stream stream, std::string_view text);
  void talk(std::string_view text);

  ConsoleOptions options_;
  bool color_[2] = {false, false};
  bool progress_shown_ = false;
  Relay* relay_ = nullptr;
};

}  // namespace epic::cli
