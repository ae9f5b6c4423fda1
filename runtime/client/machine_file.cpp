#include "client/machine_file.hpp"

#include "codec/described_json.hpp"

namespace epic::client {

namespace {

std::filesystem::path machine_file(const std::filesystem::path& run_directory) {
  return run_directory / "machine.json";
}

}  // namespace

std::expected<void, files::Refusal> write_machine_file(const std::filesystem::path& run_directory,
                                                       const protocol::MachinePlace& place) {
  return files::replace_file(machine_file(run_directory), codec::describe_text(place) + "\n");
}

protocol::MachinePlace read_machine_file(const std::filesystem::path& run_directory) {
  const auto text = files::read_file(machine_file(run_directory));
  if (!text) return {};
  return codec::read_described_text<protocol::MachinePlace>(*text).value_or(protocol::MachinePlace{});
}

}  // namespace epic::client
