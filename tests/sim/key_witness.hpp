#pragma once
// KeyWitness: records how calls with idempotency keys ended, and checks that each key had one effect.
//
// All calls with one key get equal answers, a result or the method's exception, or all of them get Interrupted; the
// state says that the call has begun once. A key that was used for one method is refused for another.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "epic/error.hpp"
#include "integration/modules/ledger.hpp"

namespace epic::test {

/// How a call with a key has ended.
struct KeyedEnd {
  std::optional<std::string> answer = {};  // the method's result or exception; empty: an error of the fabric
  ErrorCode code = {};                     // of that
  std::string what = {};
};

class KeyWitness {
 public:
  struct Use {
    std::string key;
    std::size_t cashier = 0;
    std::int64_t wait_ms = 0;  // as pay() takes it
    std::set<std::string> answers = {};
    bool is_interrupted = false;
  };
  enum class Method : std::uint8_t {
    pay,
    refund,  // which the key was not used for
  };
  /// A node that should be gone may take a call for interrupted that goes on elsewhere.
  enum class Stale : std::uint8_t { nothing, interruptions };

  explicit KeyWitness(std::size_t cashiers) : cashiers_(cashiers) {}

  /// The number of a key for the next call: a new one, or one that was used lately. `chance`: any number.
  [[nodiscard]] std::size_t choose(std::uint64_t chance);
  [[nodiscard]] const Use& use(std::size_t number) const { return uses_[number]; }
  [[nodiscard]] bool is_answered(std::size_t number) const { return !uses_[number].answers.empty(); }

  /// Returns whether that is how the call has ended for good.
  bool on_end(std::size_t number, Method method, const KeyedEnd& end);

  /// Keys that are to be used once more when all is over: those without an answer, and some others.
  [[nodiscard]] std::vector<std::size_t> list_to_ask() const;
  /// Sentences; empty: all is well. `payments`: of each cashier.
  [[nodiscard]] std::vector<std::string> judge(const std::vector<std::map<std::string, ledger::Payment>>& payments,
                                               Stale stale) const;

 private:
  void judge(const Use& use, const ledger::Payment& payment, Stale stale, std::vector<std::string>& violations) const;

  std::size_t cashiers_;
  std::vector<Use> uses_;
  std::vector<std::string> violations_;
};

}  // namespace epic::test
