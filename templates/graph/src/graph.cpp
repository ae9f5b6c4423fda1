#include "graph.hpp"

#include <fmt/core.h>

#include <chrono>
#include <stdexcept>
#include <utility>

#include "partition.hpp"

using namespace std::chrono_literals;

namespace {

constexpr int kAttemptsMax = 100;
constexpr auto kPause = 200ms;
constexpr auto kPatience = 2min;  // for a step of one worker

// The one place where the graph asks all of its parts. `ask` makes the call of a Ref<Worker> or of a Ref<Partition>.
template <class Entity, class Ask>
auto ask_all(const std::string& graph, std::uint32_t parts, const Ask& ask) {
  std::vector<std::invoke_result_t<const Ask&, const epic::RefWith<Entity>&, std::uint32_t>> calls;
  for (std::uint32_t part = 0; part < parts; ++part)
    calls.push_back(ask(epic::Ref<Entity>(part_key(graph, part)).with(kPatience), part));
  return epic::gather(std::move(calls));
}

Progress sum_of(const std::vector<Progress>& parts) {
  Progress sum;
  for (const Progress& part : parts) {
    sum.change += part.change;
    sum.dangling += part.dangling;
  }
  return sum;
}

}  // namespace

epic::Task<Summary> Graph::load(std::string file, std::uint32_t parts) {
  if (parts < 1 || parts > kPartsMax)
    throw std::invalid_argument(fmt::format("a graph has 1 to {} partitions", kPartsMax));
  std::string text = co_await epic::read_file(file);
  // Megabytes of text: not on the thread on which all other entities of this node run.
  EdgeList list = co_await epic::blocking_pure([text = std::move(text), parts] { return read_edges(text, parts); });

  summary.parts = 0;  // if a crash comes now, it is loaded again before anything is computed
  co_await ask_all<Partition>(std::string(key()), parts, [&](const auto& partition, std::uint32_t part) {
    return partition->load(std::move(list.parts[part]));
  });
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
  Progress progress = sum_of(co_await ask_all<Worker>(
      job.graph, job.parts, [&](const auto& worker, std::uint32_t part) { return worker->begin(job, part); }));
  const double enough = make_algorithm(job.algorithm)->change_min();
  for (std::int64_t step = 1; step <= kStepsMax && progress.change >= enough; ++step) {
    co_await ask_all<Worker>(job.graph, job.parts,
                             [&](const auto& worker, std::uint32_t) { return worker->scatter(number, step); });
    const double dangling = progress.dangling;
    progress = sum_of(co_await ask_all<Worker>(job.graph, job.parts, [&](const auto& worker, std::uint32_t) {
      return worker->apply(number, step, dangling);
    }));
  }

  Result result;
  const auto parts = co_await ask_all<Worker>(
      job.graph, job.parts, [&](const auto& worker, std::uint32_t) { return worker->finish(number); });
  for (const Result& part : parts) {
    result.named_after += part.named_after;
    result.largest.insert(result.largest.end(), part.largest.begin(), part.largest.end());
  }
  keep_largest(result.largest);
  co_return result;
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
