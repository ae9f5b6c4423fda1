#include "graph.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <ranges>
#include <stdexcept>
#include <utility>

#include "partition.hpp"

using namespace std::chrono_literals;

namespace {

constexpr int kAttemptsMax = 100;
constexpr auto kPause = 200ms;
constexpr auto kPatience = 2min;  // for a step of one worker

template <class Entity>
std::vector<epic::Ref<Entity>> list_parts(const std::string& graph, std::uint32_t parts) {
  std::vector<epic::Ref<Entity>> list;
  for (std::uint32_t part = 0; part < parts; ++part) list.emplace_back(part_key(graph, part));
  return list;
}

Progress add(Progress sum, const Progress& part) {
  sum.change += part.change;
  sum.dangling += part.dangling;
  return sum;
}

Result join(Result all, const Result& part) {
  all.named_after += part.named_after;
  all.largest.insert(all.largest.end(), part.largest.begin(), part.largest.end());
  keep_largest(all.largest);
  return all;
}

/// Throws std::invalid_argument for a file whose edges are not an edge list, or are too many for its partitions.
EdgeList parse(const std::string& file, std::string_view text, std::uint32_t parts) {
  try {
    return read_edges(text, parts);
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(fmt::format("{}: {}", file, error.what()));
  }
}

}  // namespace

epic::Task<Summary> Graph::load(std::string file, std::uint32_t parts) {
  if (parts < 1 || parts > kPartsMax)
    throw std::invalid_argument(fmt::format("a graph has 1 to {} partitions", kPartsMax));
  std::string text = co_await epic::read_file(file);
  // Megabytes of text: not on the thread on which all other entities of this node run.
  EdgeList list =
      co_await epic::blocking_pure([file, text = std::move(text), parts] { return parse(file, text, parts); });

  const std::uint32_t parts_before = std::exchange(summary.parts, 0);  // until all is loaded, whatever crashes
  list.parts.resize(std::max(parts, parts_before));                    // those that are no longer used become empty
  std::vector<epic::Call<void>> loads;
  for (const auto& partition : list_parts<Partition>(std::string(key()), std::uint32_t(list.parts.size())))
    loads.push_back(partition.with(kPatience)->load(std::move(list.parts[loads.size()])));
  co_await epic::gather(std::move(loads));
  summary.top.clear();
  summary.components = 0;
  summary.file = std::move(file);
  summary.vertices = list.vertices;
  summary.edges = list.edges;
  summary.parts = parts;
  co_return summary;
}

epic::Task<std::vector<Finding>> Graph::rank() {
  const Result result = co_await compute(AlgorithmName::rank);
  summary.top = result.largest;
  co_return summary.top;
}

epic::Task<std::int64_t> Graph::find_components() {
  const Result result = co_await compute(AlgorithmName::components);
  summary.components = result.named_after;
  co_return summary.components;
}

epic::Task<Result> Graph::compute(AlgorithmName algorithm) {
  if (summary.parts == 0) throw std::logic_error(fmt::format("nothing is loaded into {}", self().name()));
  for (int attempt = 1;; ++attempt) {
    const Job job{.graph = std::string(key()),
                  .number = ++summary.jobs,  // saved before a worker hears of it, so no other has had it
                  .algorithm = algorithm,
                  .parts = summary.parts,
                  .vertices = summary.vertices};
    try {
      co_return co_await try_to_compute(job);
    } catch (const epic::Cancelled&) {
      throw;
    } catch (const std::runtime_error& error) {  // an epic::Error, or a worker that does not know the job
      if (attempt == kAttemptsMax) throw;
      epic::log::warn("Job {} begins anew: {}", job.number, error.what());
    }
    co_await epic::sleep(kPause);
  }
}

epic::Task<Result> Graph::try_to_compute(Job job) const {
  const std::int64_t number = job.number;
  const auto workers = list_parts<Worker>(job.graph, job.parts);
  Progress progress = co_await epic::reduce(
      std::views::iota(0u, job.parts),
      [&](std::uint32_t part) { return workers[part].with(kPatience)->begin(job, part); }, add);
  const double enough = make_algorithm(job.algorithm)->change_min();
  for (std::int64_t step = 1; step <= kStepsMax && progress.change >= enough; ++step) {
    const epic::BroadcastResult sent =
        co_await epic::broadcast(workers, &Worker::scatter, number, step).with(kPatience);
    if (sent.failed > 0) throw std::runtime_error(sent.failures.front().what);
    progress = co_await epic::reduce(
        workers,
        [&, dangling = progress.dangling](const epic::Ref<Worker>& worker) {
          return worker.with(kPatience)->apply(number, step, dangling);
        },
        add);
  }
  co_return co_await epic::reduce(
      workers, [&](const epic::Ref<Worker>& worker) { return worker.with(kPatience)->finish(number); }, join);
}

epic::Task<Summary> Graph::get_summary() const { co_return summary; }

epic::Task<std::optional<double>> Graph::get_rank(std::uint32_t vertex) const {
  co_return co_await get_value(AlgorithmName::rank, vertex);
}

epic::Task<std::optional<std::uint32_t>> Graph::get_component(std::uint32_t vertex) const {
  const auto value = co_await get_value(AlgorithmName::components, vertex);
  if (!value) co_return std::nullopt;
  co_return static_cast<std::uint32_t>(*value);
}

epic::Task<std::optional<double>> Graph::get_value(AlgorithmName algorithm, std::uint32_t vertex) const {
  if (summary.parts == 0) co_return std::nullopt;
  const epic::Ref<Partition> partition(part_key(std::string(key()), vertex % summary.parts));
  co_return co_await partition->get_value(algorithm, vertex / summary.parts);
}
