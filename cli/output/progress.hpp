#pragma once
// Progress: how far a command with a known number of things to do is, on the console's bottom line.

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "cli/output/console.hpp"
#include "cli/output/humanize.hpp"

namespace epic::cli {

/// Shown after a second, and never after finish().
class Progress {
 public:
  Progress(Console& console, std::uint64_t total, std::string_view things = "entities")
      : console_(console), total_(total), things_(things) {}

  void step() {
    if (++done_ % 256 == 0) show();
  }
  /// For work in larger steps, which may learn the total late.
  void reach(std::uint64_t done, std::uint64_t total) {
    done_ = done;
    total_ = total;
    show();
  }
  void finish() { console_.progress(""); }
  [[nodiscard]] std::uint64_t done() const { return done_; }

 private:
  void show() {
    const std::chrono::duration<double> so_far = std::chrono::steady_clock::now() - begin_;
    if (so_far.count() < 1.0 || total_ < done_ || total_ == 0) return;
    const double rate = static_cast<double>(done_) / so_far.count();
    const auto rest =
        std::chrono::milliseconds(static_cast<std::int64_t>(static_cast<double>(total_ - done_) / rate * 1000));
    constexpr std::size_t kBar = 24;
    const std::size_t full = static_cast<std::size_t>(done_ * kBar / total_);
    console_.progress(fmt::format("[{}{}] {} of {} {}, {:.0f}/s, {} left", std::string(full, '#'),
                                  std::string(kBar - full, ' '), done_, total_, things_, rate, human_duration(rest)));
  }

  Console& console_;
  std::uint64_t total_;
  std::string_view things_;
  std::uint64_t done_ = 0;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace epic::cli
