#include "cli/fabric/import_target.hpp"

#include <fmt/format.h>

#include "cli/fabric/live_fabric.hpp"
#include "cli/fabric/store_removal.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/fabric/unknown.hpp"
#include "cli/project/build.hpp"
#include "cli/project/conversation.hpp"
#include "cluster/supervisor/run_paths.hpp"
#include "kernel/placement.hpp"
#include "protocol/control.hpp"
#include "protocol/control_frames.hpp"
#include "protocol/json.hpp"

namespace epic::cli {
namespace {

constexpr std::chrono::seconds kTimeout{90};  // more than the fabric's own deadline
constexpr std::size_t kLiveGroupLines = 256;  // each is one turn and one commit of the owner
constexpr std::size_t kStoreGroupLines = 2048;

control::Import::Request request_of(ImportMode mode, std::uint32_t part, const std::vector<std::string>& lines) {
  return {.mode = mode, .shard = part, .lines = lines};
}

/// What `epic-node --import` answers if it cannot run.
struct Refusal {
  std::string error;
  std::string hint;
};
BOOST_DESCRIBE_STRUCT(Refusal, (), (error, hint))

Result<ImportAnswer> checked(ImportAnswer answer, std::size_t line_count) {
  if (answer.outcomes.size() == line_count) return answer;
  return fail({.what = "the answer to an import makes no sense: an outcome is missing",
               .help = {"report this: it is a bug in epic"}});
}

class LiveImport final : public ImportTarget {
 public:
  static Result<std::unique_ptr<ImportTarget>> open(LiveFabric fabric) {
    const auto ping = EPIC_TRY(fabric.ask<control::Ping>());
    const auto types = EPIC_TRY(fabric.ask<control::Types>());
    Catalog catalog = catalog_from(types);
    const kernel::Placement placement(static_cast<std::uint32_t>(ping.shards), catalog.groups());
    auto target = std::make_unique<LiveImport>(std::move(fabric), placement);
    target->set_types(std::move(catalog));
    return target;
  }
  LiveImport(LiveFabric fabric, kernel::Placement placement)
      : fabric_(std::move(fabric)), placement_(std::move(placement)) {}

  [[nodiscard]] std::uint32_t part_of(const EntityName& name) const override {
    return placement_.shard_of(types().stored_name(name.type), name.key).value;
  }
  [[nodiscard]] std::size_t group_lines_max() const override { return kLiveGroupLines; }
  [[nodiscard]] bool goes_on() const override { return true; }
  Result<ImportAnswer> send(ImportMode mode, std::uint32_t part, const std::vector<std::string>& lines) override {
    const control::Import::Request request = request_of(mode, part, lines);
    if (const std::size_t bytes = codec::describe_text(request).size(); bytes > protocol::kControlRequestBytesMax)
      return ImportAnswer{
          .outcomes = {lines.size(),
                       {.error =
                            fmt::format("it has {} bytes, with every quote in it escaped, and a running fabric takes "
                                        "{} at most: import it while the fabric is down",
                                        bytes, protocol::kControlRequestBytesMax)}},
          .ignored_fields = 0};
    auto answer = EPIC_TRY(fabric_.ask<control::Import>(request, kTimeout));
    return checked(std::move(answer), lines.size());
  }
  [[nodiscard]] std::string_view words() const override { return "the running fabric"; }

 private:
  LiveFabric fabric_;
  kernel::Placement placement_;
};

class StoreImport final : public ImportTarget {
 public:
  static Result<std::unique_ptr<ImportTarget>> open(Context& context, const Project& project) {
    if (!project.paths.store.keeps_state())
      return fail({.code = ExitCode::not_found,
                   .what = "nothing of this project outlives a running fabric",
                   .why = fmt::format("epic.toml says store = \"{}\"", project.manifest.store),
                   .help = {"start it with 'epic run', then import"}});
    const auto built = EPIC_TRY(build_project(context, project, {.only_if_stale = true}));
    const auto node = EPIC_TRY(context.install().node());
    auto lock = EPIC_TRY(lock_project(project.paths));
    auto talk = EPIC_TRY(Conversation::start(node, {"--import", built.module.string(), project.paths.store.text(),
                                                    fmt::format("{}", project.manifest.shards)}));
    auto target = std::make_unique<StoreImport>(std::move(lock), std::move(talk));
    const auto hello = EPIC_TRY(read<control::Types::Answer>(target->talk_.listen()));
    target->set_types(catalog_from(hello));
    return target;
  }
  StoreImport(HeldProject lock, Conversation talk) : lock_(std::move(lock)), talk_(std::move(talk)) {}

  [[nodiscard]] std::uint32_t part_of(const EntityName&) const override { return 0; }
  [[nodiscard]] std::size_t group_lines_max() const override { return kStoreGroupLines; }
  Result<ImportAnswer> send(ImportMode mode, std::uint32_t part, const std::vector<std::string>& lines) override {
    auto answer = EPIC_TRY(read<ImportAnswer>(talk_.ask(codec::describe_text(request_of(mode, part, lines)))));
    return checked(std::move(answer), lines.size());
  }
  [[nodiscard]] std::string_view words() const override { return "the store (no fabric runs)"; }

 private:
  template <class Answer>
  static Result<Answer> read(const Result<std::string>& line) {
    if (!line) return std::unexpected(line.error());
    const auto refusal = codec::read_described_text<Refusal>(*line);
    auto answer = codec::read_described_text<Answer>(*line);
    if (!refusal || !answer)
      return fail({.what = "epic-node answered with something that makes no sense", .why = *line});
    if (refusal->error.empty()) return *std::move(answer);
    Failure failure = failure_of(storage::StoreError{.code = {}, .message = refusal->error});
    if (!refusal->hint.empty()) failure.help.push_back(refusal->hint);
    return fail(std::move(failure));
  }

  HeldProject lock_;  // destroyed after the process
  Conversation talk_;
};

}  // namespace

Result<void> ImportTarget::check_type(const std::string& type) const {
  if (types_.types.empty() || has_type(type)) return {};
  return fail(unknown_type(type, types_.type_names()));
}

Result<std::unique_ptr<ImportTarget>> ImportTarget::open(Context& context, const Project& project) {
  auto fabric = EPIC_TRY(LiveFabric::find(project.paths));
  if (fabric) return LiveImport::open(std::move(*fabric));
  return StoreImport::open(context, project);
}

Result<std::unique_ptr<ImportTarget>> ImportTarget::open_for_removal(const Project& project) {
  auto fabric = EPIC_TRY(LiveFabric::find(project.paths));
  if (fabric) return LiveImport::open(std::move(*fabric));
  return open_store_removal(project.paths);
}

Result<HeldProject> lock_project(const ProjectPaths& paths) {
  if (const auto made = files::make_directory(paths.state()); !made) return fail(failure_of(made.error()));
  auto lock = cluster::ProjectLock::try_take(cluster::RunPaths(paths.root).lock);
  if (!lock) {
    Failure failure{.what = lock.error().message};
    while (failure.what.ends_with('.')) failure.what.pop_back();
    if (!lock.error().hint.empty()) failure.help.push_back(lock.error().hint);
    return fail(std::move(failure));
  }
  auto hold = storage::StoreHold::try_take(paths.store);
  if (hold) return HeldProject{*std::move(lock), *std::move(hold)};
  if (hold.error().code != storage::StoreErrorCode::busy) return fail({.what = hold.error().message});
  return fail({.what = hold.error().message,
               .help = {"stop the fabric first, with 'epic stop' in the directory where it was started"}});
}

std::string removal_line(const std::string& entity, std::optional<std::uint64_t> version) {
  return protocol::print_json(
      codec::describe_json(control::Import::Line{.entity = entity, .remove = true, .version = version}));
}

}  // namespace epic::cli
