#include "cli/output/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "cli/output/humanize.hpp"
#include "protocol/json.hpp"
#include "protocol/time_text.hpp"

namespace epic::cli {
namespace {

Paint paint_of(Show show, std::string_view text) {
  if (show != Show::state) return Paint::plain;
  for (std::string_view word : {"live", "ready", "ok", "done", "running", "activated"})
    if (text == word) return Paint::green;
  for (std::string_view word :
       {"starting", "draining", "paused", "backoff", "warning", "unsaved", "silent", "slow to stop"})
    if (text == word) return Paint::yellow;
  for (std::string_view word : {"failed", "broken", "corrupt", "blocked", "died", "discarded", "deadlocked"})
    if (text == word) return Paint::red;
  return Paint::dim;
}

std::string spaces(std::size_t count) { return std::string(count, ' '); }

bool is_number(const Column& column) { return column.show == Show::number || column.show == Show::bytes; }

std::size_t total(std::span<const std::size_t> widths) {
  return std::accumulate(widths.begin(), widths.end(), 2 * (widths.size() - 1));
}

}  // namespace

std::string show_field(const boost::json::value* value, Show show, Reader reader) {
  const bool person = reader == Reader::person;
  if (value == nullptr || value->is_null()) return person ? "-" : "";
  if (value->is_number()) {
    const auto number =
        value->is_double() ? static_cast<std::int64_t>(value->as_double()) : value->to_number<std::int64_t>();
    if (show == Show::bytes && person) return human_bytes(number);
    if (show == Show::duration)
      return person ? human_duration(std::chrono::milliseconds(number))
                    : fmt::format("{:.3f}", static_cast<double>(number) / 1000);
    if (show == Show::age) {
      const std::chrono::milliseconds age(number);
      return person ? human_age(age) : protocol::format_time(std::chrono::system_clock::now() - age);
    }
    return protocol::print_json(*value);
  }
  if (const auto* text = value->if_string()) {
    if (show == Show::time && person) {
      if (const auto time = protocol::parse_time(std::string_view(*text)))
        return human_age(std::chrono::duration_cast<std::chrono::milliseconds>(
            std::chrono::system_clock::now().time_since_epoch() -
            std::chrono::seconds(static_cast<std::int64_t>(time->seconds))));
    }
    return printable(std::string_view(*text));
  }
  return printable(protocol::print_json(*value));
}

std::vector<std::size_t> fit_widths(std::span<const ColumnNeed> columns, std::size_t room) {
  constexpr std::size_t kTextMin = 8;
  constexpr std::size_t kHeaderMin = 4;
  std::vector<std::size_t> widths, least;
  for (const ColumnNeed& column : columns) {
    widths.push_back(std::max(column.header, column.cells));
    least.push_back(std::min(widths.back(), column.is_number ? std::max(column.cells, kHeaderMin) : kTextMin));
  }
  for (const bool of_numbers : {false, true})
    for (std::size_t sum = total(widths); sum > room; sum = total(widths)) {
      std::size_t widest = widths.size();
      for (std::size_t i = 0; i < widths.size(); ++i)
        if (columns[i].is_number == of_numbers && widths[i] > least[i] &&
            (widest == widths.size() || widths[i] > widths[widest]))
          widest = i;
      if (widest == widths.size()) break;
      widths[widest] -= std::min(sum - room, widths[widest] - least[widest]);
    }
  return widths;
}

Table::Table(Console& console, std::span<const Column> columns)
    : console_(console), columns_(columns.begin(), columns.end()), terminal_(console.is_terminal(Stream::out)) {
  for (const Column& column : columns_) needs_.push_back({column.header.size(), 0, is_number(column)});
}

Table::~Table() { finish(); }

void Table::add(boost::json::object row) {
  ++count_;
  switch (console_.format()) {
    case Format::jsonl:
      console_.print(protocol::print_json(row));
      return;
    case Format::json:
      console_.print(fmt::format("{} {}", count_ == 1 ? "[" : ",", protocol::print_json(row)));
      return;
    case Format::text:
      break;
  }
  if (terminal_) {
    page_.push_back(std::move(row));
    if (page_.size() == kPageRows) print_page();
    return;
  }
  std::string line;
  for (const Column& column : columns_) {
    if (!line.empty() || &column != &columns_.front()) line += '\t';
    line += show_field(row.if_contains(column.field), column.show, Reader::program);
  }
  console_.print(line);
}

void Table::print_page() {
  std::vector<std::vector<std::string>> cells;
  for (const auto& row : page_) {
    auto& line = cells.emplace_back();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      line.push_back(show_field(row.if_contains(columns_[i].field), columns_[i].show, Reader::person));
      needs_[i].cells = std::max(needs_[i].cells, display_width(line.back()));
    }
  }
  const std::vector<std::size_t> widths = fit_widths(needs_, console_.width(Stream::out));
  const auto pad = [&](std::size_t i, const std::string& text, Paint paint) {
    const std::string fill = spaces(widths[i] - display_width(text));
    const std::string painted = console_.paint(Stream::out, paint, text);
    if (needs_[i].is_number) return fill + painted;
    return i + 1 == columns_.size() ? painted : painted + fill;
  };
  std::string out;
  if (count_ <= kPageRows) {
    for (std::size_t i = 0; i < columns_.size(); ++i)
      out += (i ? "  " : "") + pad(i, shortened(columns_[i].header, widths[i]), Paint::bold);
    out += '\n';
  }
  for (const auto& line : cells) {
    for (std::size_t i = 0; i < line.size(); ++i)
      out += (i ? "  " : "") + pad(i, shortened(line[i], widths[i]), paint_of(columns_[i].show, line[i]));
    out += '\n';
  }
  page_.clear();
  console_.print(out);
}

void Table::finish() {
  if (std::exchange(finished_, true)) return;
  if (console_.format() == Format::json) console_.print(count_ == 0 ? "[]" : "]");
  if (console_.format() == Format::text && terminal_ && !page_.empty()) print_page();
}

void print_record(Console& console, const boost::json::object& record, std::span<const Column> fields) {
  if (console.is_json()) {
    console.print_json(record);
    return;
  }
  const bool terminal = console.is_terminal(Stream::out);
  std::size_t width = 0;
  for (const Column& field : fields) width = std::max(width, field.header.size());
  std::string out;
  for (const Column& field : fields) {
    const auto* value = record.if_contains(field.field);
    if (value == nullptr || value->is_null()) continue;
    const std::string text = show_field(value, field.show, terminal ? Reader::person : Reader::program);
    if (!terminal) {
      out += fmt::format("{}\t{}\n", field.header, text);
      continue;
    }
    out += console.paint(Stream::out, Paint::bold, field.header) + spaces(width - field.header.size() + 2) +
           console.paint(Stream::out, paint_of(field.show, text), text) + '\n';
  }
  if (!out.empty()) console.print(out);
}

}  // namespace epic::cli
