#pragma once
// Target: what one kind of untrusted bytes is given to.
//
// A target is a function that must return for any input: no crash, no leak, no undefined behaviour, and what it checks
// itself holds. Its examples are valid inputs, made by the code itself so that they follow the formats; the fuzzer
// starts from them and from the files in seeds/<name>. An input that once failed is kept there.
//
// Not here: mutation and coverage (libFuzzer), the choice of the target (fuzz.cpp).

#include <cstddef>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

namespace epic::fuzz {

using Bytes = std::vector<std::byte>;

struct Target {
  std::string_view name;
  void (*run)(std::span<const std::byte> input);
  std::vector<Bytes> (*examples)();
};

/// What must hold for every input.
inline void require(bool condition) {
  if (!condition) std::abort();
}

inline std::string_view text_of(std::span<const std::byte> input) {
  return {reinterpret_cast<const char*>(input.data()), input.size()};
}
inline Bytes bytes_of(std::string_view text) {
  const auto* const begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}
/// `examples` for a target that starts from its files alone.
inline std::vector<Bytes> no_examples() { return {}; }

std::span<const Target> wire_targets();    // what other processes send, what the store holds
std::span<const Target> text_targets();    // what people and files say
std::span<const Target> module_targets();  // what a module reports about itself

}  // namespace epic::fuzz
