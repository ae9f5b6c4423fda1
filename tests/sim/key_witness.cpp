#include "sim/key_witness.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace epic::test {

namespace {

constexpr std::size_t kKeysMax = 80;
constexpr std::size_t kKeysInUse = 10;
constexpr std::uint64_t kNewKeyPercent = 40;
constexpr std::size_t kAskedAgain = 4;  // every n-th of those whose answer is known

}  // namespace

std::size_t KeyWitness::choose(std::uint64_t chance) {
  const bool is_new = uses_.empty() || (uses_.size() < kKeysMax && chance % 100 < kNewKeyPercent);
  chance /= 100;
  if (!is_new) return uses_.size() - 1 - chance % std::min(uses_.size(), kKeysInUse);
  constexpr std::int64_t kWaits[] = {0, 0, -1, 15, 30, 60};
  uses_.push_back({.key = fmt::format("payment {}", uses_.size()),
                   .cashier = chance % cashiers_,
                   .wait_ms = kWaits[chance / cashiers_ % std::size(kWaits)]});
  return uses_.size() - 1;
}

bool KeyWitness::on_end(std::size_t number, Method method, const KeyedEnd& end) {
  Use& use = uses_[number];
  const bool is_refused = !end.answer && end.code == ErrorCode::bad_arguments;
  if (method == Method::refund) {
    if (end.answer)
      violations_.push_back(
          fmt::format("the key '{}' was used for pay(), and answered a refund with {}", use.key, *end.answer));
    return is_refused;
  }
  if (is_refused) violations_.push_back(fmt::format("the key '{}' was refused: {}", use.key, end.what));
  if (end.answer) use.answers.insert(*end.answer);
  if (!end.answer && end.code == ErrorCode::interrupted) use.is_interrupted = true;
  return end.answer || is_refused || end.code == ErrorCode::interrupted;
}

std::vector<std::size_t> KeyWitness::list_to_ask() const {
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < uses_.size(); ++i)
    if (uses_[i].answers.empty() || i % kAskedAgain == 0) numbers.push_back(i);
  return numbers;
}

std::vector<std::string> KeyWitness::judge(const std::vector<std::map<std::string, ledger::Payment>>& payments,
                                           Stale stale) const {
  std::vector<std::string> violations = violations_;
  for (const Use& use : uses_) {
    const auto& made = payments[use.cashier];
    const auto found = made.find(use.key);
    judge(use, found == made.end() ? ledger::Payment{} : found->second, stale, violations);
  }
  return violations;
}

void KeyWitness::judge(const Use& use, const ledger::Payment& payment, Stale stale,
                       std::vector<std::string>& violations) const {
  const auto violate = [&](const std::string& what) {
    violations.push_back(fmt::format("the key '{}' of Cashier/{}: {}", use.key, use.cashier, what));
  };
  const bool must_have_finished = !use.answers.empty() && use.wait_ms >= 0;
  if (use.answers.size() > 1)
    violate(fmt::format("its calls have got the answers '{}' and '{}'", *use.answers.begin(), *use.answers.rbegin()));
  if (use.is_interrupted && !use.answers.empty() && stale == Stale::nothing)
    violate(fmt::format("it was interrupted, and answered '{}'", *use.answers.begin()));
  if (use.is_interrupted && use.wait_ms <= 0) violate("it was interrupted, although its method has one turn");
  if (payment.begun != 1) violate(fmt::format("its call has run {} times", payment.begun));
  if (payment.finished > 1 || (must_have_finished && payment.finished != 1) ||
      (use.wait_ms < 0 && payment.finished != 0))
    violate(fmt::format("its call has got to its end {} times", payment.finished));
}

}  // namespace epic::test
