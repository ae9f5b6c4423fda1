#include "cli/output/console.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <boost/describe/enum_to_string.hpp>
#include <boost/json/object.hpp>
#include <cstdlib>

#include "cli/output/relay.hpp"
#include "protocol/json.hpp"

namespace epic::cli {
namespace {

std::FILE* file_of(Stream stream) { return stream == Stream::out ? stdout : stderr; }

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

// The precedence follows no-color.org and bixense.com/clicolors: the flag, then NO_COLOR, then CLICOLOR_FORCE, then the
// terminal's capabilities.
bool wants_color(ColorMode mode, bool terminal) {
  if (mode != ColorMode::automatic) return mode == ColorMode::always;
  if (is_set("NO_COLOR")) return false;
  if (const char* force = std::getenv("CLICOLOR_FORCE"); force && *force && std::string_view(force) != "0") return true;
  const char* term = std::getenv("TERM");
  return terminal && term && std::string_view(term) != "dumb";
}

// By Paint.
constexpr int kPaintCodes[] = {0, 1, 2, 31, 32, 33, 34, 35, 36};

// The lines after the first stand under the first.
std::string hang(std::string_view text, std::size_t indent) {
  std::string out;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (begin > 0) out.append(1, '\n').append(indent, ' ');
    out += printable(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

boost::json::object error_object(const Failure& failure) {
  boost::json::object error{{"code", boost::describe::enum_to_string(failure.code, "failed")},
                            {"message", printable(failure.what)}};
  const auto add = [&](std::string_view name, const std::string& text) {
    if (!text.empty()) error[name] = text;
  };
  add("why", printable(failure.why));
  add("excerpt", failure.excerpt);
  add("hint", fmt::format("{}", fmt::join(failure.help, "\n")));
  add("log", failure.log.string());
  return error;
}

}  // namespace

Console::Console(ConsoleOptions options) { configure(options); }

void Console::configure(ConsoleOptions options) {
  options_ = options;
  for (Stream stream : {Stream::out, Stream::err})
    color_[static_cast<int>(stream)] = wants_color(options.color, is_terminal(stream));
}

bool Console::is_terminal(Stream stream) const { return ::isatty(::fileno(file_of(stream))) == 1; }

std::size_t Console::width(Stream stream) const {
  winsize size{};
  if (::ioctl(::fileno(file_of(stream)), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::string Console::paint(Stream stream, Paint paint, std::string_view text) const {
  if (!color_[static_cast<int>(stream)] || paint == Paint::plain || text.empty()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", kPaintCodes[static_cast<std::size_t>(paint)], text);
}

void Console::set_relay(Relay* relay) {
  static_cast<void>(flush());
  relay_ = relay;
}

void Console::write(Stream stream, std::string_view text) {
  if (relay_ != nullptr)
    relay_->write(::fileno(file_of(stream)), std::string(text));
  else
    std::fwrite(text.data(), 1, text.size(), file_of(stream));
}

void Console::print(std::string_view text) {
  if (progress_shown_) progress("");
  write(Stream::out, printable_lines(text, color_[static_cast<int>(Stream::out)]) + (text.ends_with('\n') ? "" : "\n"));
}

void Console::print_json(const boost::json::value& value) {
  print(options_.format == Format::jsonl ? protocol::print_json(value) : protocol::print_json_indented(value));
}

void Console::talk(std::string_view text) {
  if (progress_shown_) progress("");
  std::fflush(stdout);
  write(Stream::err, printable_lines(text, color_[static_cast<int>(Stream::err)]) + (text.ends_with('\n') ? "" : "\n"));
  std::fflush(stderr);
}

void Console::note(std::string_view text) {
  if (options_.verbosity >= 0) talk(text);
}

void Console::detail(std::string_view text) {
  if (options_.verbosity >= 1) talk(paint(Stream::err, Paint::dim, text));
}

void Console::warn(std::string_view text) {
  talk(fmt::format("{} {}", paint(Stream::err, Paint::yellow, "warning:"), hang(text, 9)));
}

void Console::error(const Failure& failure) {
  if (is_json()) return talk(protocol::print_json(boost::json::object{{"error", error_object(failure)}}));
  const auto label = [this](Paint color, std::string_view word) { return paint(Stream::err, color, word); };
  std::string text = fmt::format("{} {}\n", label(Paint::red, "error:"), hang(failure.what, 7));
  if (!failure.excerpt.empty()) text += failure.excerpt + (failure.excerpt.ends_with('\n') ? "" : "\n");
  if (!failure.why.empty()) text += fmt::format("  {} {}\n", label(Paint::bold, "why:"), hang(failure.why, 7));
  for (const std::string& help : failure.help)
    text += fmt::format(" {} {}\n", label(Paint::cyan, "help:"), hang(help, 7));
  if (!failure.log.empty()) text += fmt::format("  {} {}\n", label(Paint::bold, "log:"), failure.log.string());
  talk(text);
}

void Console::ask(std::string_view question) {
  if (progress_shown_) progress("");
  static_cast<void>(flush());  // context of the question
  write(Stream::err, printable(question));
  std::fflush(stderr);
}

void Console::progress(std::string_view text) {
  if (!is_terminal(Stream::err) || options_.verbosity < 0) return;
  if (text.empty() && !progress_shown_) return;
  const std::size_t room = width(Stream::err) - 1;
  write(Stream::err, fmt::format("\r\x1b[2K{}", text.substr(0, room)));
  std::fflush(stderr);
  progress_shown_ = !text.empty();
}

bool Console::flush() {
  if (progress_shown_) progress("");
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  std::fflush(stderr);
  return written;
}

}  // namespace epic::cli
