#include "cli/output/log_printer.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "codec/described_json.hpp"

namespace epic::cli {
namespace {

constexpr Column kColumns[] = {
    {"TIME", "time"}, {"NODE", "node"}, {"LEVEL", "level"}, {"ENTITY", "entity"}, {"MESSAGE", "message"},
};

// Slots with neighbouring numbers differ.
Paint color_of(std::string_view node) {
  constexpr std::array kColors = {Paint::cyan, Paint::green, Paint::magenta, Paint::blue, Paint::yellow};
  const std::size_t dash = node.rfind('-');
  std::size_t number = 0;
  if (dash == std::string_view::npos ||
      std::from_chars(node.data() + dash + 1, node.data() + node.size(), number).ec != std::errc())
    return Paint::bold;
  return kColors[number % kColors.size()];
}

}  // namespace

LogPrinter::LogPrinter(Console& console, LogShape shape, std::size_t width)
    : console_(console), shape_(shape), width_(width) {
  const bool tabs = shape == LogShape::by_reader && !console.is_terminal(Stream::out);
  if (console.is_json() || tabs) table_ = std::make_unique<Table>(console, kColumns);
}

std::string LogPrinter::prefix_of(std::string_view node) const {
  const std::string fill(width_ > node.size() ? width_ - node.size() : 0, ' ');
  return console_.paint(Stream::out, color_of(node), fmt::format("[{}]", node)) + fill + " ";
}

void LogPrinter::print(const protocol::control::Logs::Answer& line) {
  if (table_) {
    table_->add(codec::describe_json(line).as_object());
    return;
  }
  std::string text = shape_ == LogShape::bare ? "" : prefix_of(line.node);
  if (line.level == "warn") text += console_.paint(Stream::out, Paint::yellow, "warning: ");
  if (line.level == "error") text += console_.paint(Stream::out, Paint::red, "error: ");
  text += printable(line.message);
  console_.print(text);
}

void LogPrinter::finish() {
  if (table_) table_->finish();
}

}  // namespace epic::cli
