#pragma once
// GongWitness: records what clients of gongs (gong.hpp) were acknowledged, and checks the sums in the end.
//
// Each reminder that was set has come once, or was forgotten before; none came before its time or after it was
// forgotten. One that recurs stands for all due times up to its call. A call that threw, or was cut short, is a dead
// letter.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sim/gong.hpp"

namespace epic::test {

/// What is in the store in the end.
struct LettersLeft {
  std::int64_t tolls = 0;     // dead letters of toll()
  std::int64_t refusals = 0;  // … of refuse()
};

/// Clocks that are set back between the time at which a reminder is due and its call make it come too early.
enum class WallClocks : std::uint8_t { steady, jumping };

class GongWitness {
 public:
  explicit GongWitness(std::size_t gongs) : gongs_(gongs) {}

  /// For a reminder of this gong that is to be set.
  [[nodiscard]] std::int64_t next_number(std::size_t gong) { return ++gongs_[gong].last_number; }
  /// One of the newest that were set; `chance`: any number.
  [[nodiscard]] std::int64_t recent_number(std::size_t gong, std::uint64_t chance) const;

  void on_set(std::size_t gong) { ++gongs_[gong].set; }
  /// It may have been set or not.
  void on_unknown(std::size_t gong) { ++gongs_[gong].unknown; }

  /// True if nothing is still to come.
  [[nodiscard]] static bool is_settled(const std::vector<GongBooks>& books);
  /// Sentences; empty: all is well. After everything has settled.
  [[nodiscard]] std::vector<std::string> judge(const std::vector<GongBooks>& books, const LettersLeft& letters,
                                               WallClocks clocks) const;

 private:
  struct Known {
    std::int64_t last_number = 0;
    std::int64_t set = 0;
    std::int64_t unknown = 0;
  };

  std::vector<Known> gongs_;
};

}  // namespace epic::test
