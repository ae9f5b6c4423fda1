// One program for all targets: `epic_fuzz TARGET [libFuzzer's options and folders]`.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "fuzz/target.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace epic::fuzz {
namespace {

const Target* g_target = nullptr;
std::vector<Bytes> g_examples;

const Target* find_target(std::string_view name) {
  for (const auto& list : {wire_targets(), text_targets(), module_targets()})
    for (const Target& target : list)
      if (target.name == name) return &target;
  return nullptr;
}

[[noreturn]] void explain() {
  std::fputs("usage: epic_fuzz TARGET [-max_total_time=60] [FOLDER…]\ntargets:", stderr);
  for (const auto& list : {wire_targets(), text_targets(), module_targets()})
    for (const Target& target : list) std::fprintf(stderr, " %s", std::string(target.name).c_str());
  std::fputs("\n", stderr);
  std::exit(2);
}

}  // namespace
}  // namespace epic::fuzz

/// Takes the name of the target out of the command line; the rest is libFuzzer's.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  using namespace epic::fuzz;
  char** const first = *argv + 1;
  g_target = *argc > 1 ? find_target(*first) : nullptr;
  if (g_target == nullptr) explain();
  std::copy(first + 1, *argv + *argc, first);
  (*argv)[--*argc] = nullptr;
  g_examples = g_target->examples();
  for (const Bytes& example : g_examples) g_target->run(example);
  return 0;
}

/// Replaces an almost empty input by an example, from which libFuzzer continues.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  constexpr std::size_t kAlmostEmpty = 16;
  if (const auto& examples = epic::fuzz::g_examples; size < kAlmostEmpty && !examples.empty()) {
    const auto& example = examples[seed % examples.size()];
    if (example.size() <= max_size) {
      std::memcpy(data, example.data(), example.size());
      size = example.size();
    }
  }
  return LLVMFuzzerMutate(data, size, max_size);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  epic::fuzz::g_target->run({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
