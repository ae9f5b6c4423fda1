// The `graph` template with 100,000 vertices and 1,000,000 edges on four nodes, against programs that do the same with
// arrays, on one thread. Ranks must be equal within 1e-9, and components equal.
//
// The first argument is the number of edges, ten for each vertex.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/bench_fabric.hpp"
#include "bench/bench_support.hpp"
#include "bench/many_calls.hpp"
#include "epic/client.hpp"
#include "graph.hpp"
#include "plain_graph.hpp"

using namespace epic::bench;
using epic::Client;

namespace {

constexpr std::uint32_t kParts = 16;
constexpr std::chrono::hours kPatience{1};
constexpr std::int64_t kAtOnce = 1'000;
constexpr int kRounds = 3;  // after one that is not counted

/// By vertex; -1: none has this number.
std::vector<double> rank_in_arrays(const EdgePairs& edges, std::uint32_t vertices) {
  std::vector<double> ranks(vertices, -1);
  std::vector<double> degrees(vertices);
  for (const auto& [from, to] : edges) {
    ranks[from] = ranks[to] = 0;
    ++degrees[from];
  }
  const auto count = static_cast<double>(std::ranges::count(ranks, 0));
  for (double& rank : ranks)
    if (rank == 0) rank = 1 / count;
  std::vector<double> sums(vertices);
  for (double change = 1; change >= 1e-10;) {  // as the template has it
    double dangling = 0;
    for (std::uint32_t vertex = 0; vertex < vertices; ++vertex)
      if (ranks[vertex] >= 0 && degrees[vertex] == 0) dangling += ranks[vertex];
    std::ranges::fill(sums, 0);
    for (const auto& [from, to] : edges) sums[to] += ranks[from] / degrees[from];
    change = 0;
    for (std::uint32_t vertex = 0; vertex < vertices; ++vertex) {
      if (ranks[vertex] < 0) continue;
      const double next = 0.15 / count + 0.85 * (sums[vertex] + dangling / count);
      change += std::abs(next - ranks[vertex]);
      ranks[vertex] = next;
    }
  }
  return ranks;
}

/// The smallest vertex of each vertex's component; a number that no vertex has is alone.
std::vector<std::uint32_t> find_components_in_arrays(const EdgePairs& edges, std::uint32_t vertices) {
  std::vector<std::uint32_t> parents(vertices);
  std::iota(parents.begin(), parents.end(), 0);
  const auto root_of = [&](std::uint32_t vertex) {
    while (parents[vertex] != vertex) vertex = parents[vertex] = parents[parents[vertex]];
    return vertex;
  };
  for (const auto& [from, to] : edges) {
    const std::uint32_t one = root_of(from);
    const std::uint32_t other = root_of(to);
    parents[std::max(one, other)] = std::min(one, other);
  }
  for (std::uint32_t vertex = 0; vertex < vertices; ++vertex) parents[vertex] = root_of(vertex);
  return parents;
}

EdgePairs read_in_arrays(const std::string& text) {
  EdgePairs edges;
  const char* place = text.c_str() + text.find('\n') + 1;  // behind the comment
  for (char* end = nullptr; *place != '\0'; place = end + 1) {
    const auto from = static_cast<std::uint32_t>(std::strtoul(place, &end, 10));
    edges.emplace_back(from, static_cast<std::uint32_t>(std::strtoul(end, &end, 10)));
  }
  return edges;
}

void check_ranks(const Client& client, const epic::Ref<Graph>& graph, const std::vector<double>& ranks) {
  double largest_error = 0;
  call_all<std::optional<double>>(
      client, std::ssize(ranks), kAtOnce,
      [&](std::int64_t vertex) { return graph->get_rank(static_cast<std::uint32_t>(vertex)); },
      [&](std::int64_t vertex, epic::CallResult<std::optional<double>> result) {
        const double error = std::abs(result.get().value_or(-1) - ranks[static_cast<std::size_t>(vertex)]);
        largest_error = std::max(largest_error, error);
      });
  if (largest_error > 1e-9) throw std::runtime_error(fmt::format("a rank differs by {}", largest_error));
  fmt::print("Equal ranks: none differs by more than {:.1e}.\n", largest_error);
}

void check_components(const Client& client, const epic::Ref<Graph>& graph, const std::vector<double>& ranks,
                      const std::vector<std::uint32_t>& components) {
  std::int64_t count = 0;
  call_all<std::optional<std::uint32_t>>(
      client, std::ssize(components), kAtOnce,
      [&](std::int64_t vertex) { return graph->get_component(static_cast<std::uint32_t>(vertex)); },
      [&](std::int64_t number, epic::CallResult<std::optional<std::uint32_t>> result) {
        const auto vertex = static_cast<std::size_t>(number);
        const std::optional<std::uint32_t> expected =
            ranks[vertex] < 0 ? std::nullopt : std::optional(components[vertex]);
        if (result.get() != expected) throw std::runtime_error(fmt::format("the component of {} differs", vertex));
        count += expected == vertex ? 1 : 0;
      });
  if (client.call(graph->get_summary()).components != count)
    throw std::runtime_error(fmt::format("the number of components is not {}", count));
  fmt::print("Equal components: {}.\n", count);
}

}  // namespace

int main(int argc, char** argv) {
  print_warnings();
  const std::uint32_t edge_count = argc > 1 ? static_cast<std::uint32_t>(std::atoi(argv[1])) : 1'000'000;
  const std::uint32_t vertices = edge_count / 10;
  const EdgePairs edges = make_edges(vertices, edge_count, 7);
  const std::string text = text_of(edges);

  const BenchFabric fabric(4, "bench_graph");
  fabric.wait_until_level();
  fabric.put_file("edges.txt", text);
  const Client client = fabric.connect();
  const auto graph = client.get<Graph>("bench");
  const auto patient = graph.with(kPatience);
  const auto compare_once = [&](const std::string& what, const std::function<void()>& subject,
                                const std::function<void()>& yardstick) {
    compare({.title = fmt::format("{}: {} edges, {} partitions on 4 nodes", what, edge_count, kParts),
             .subject = {"the template", [&](std::uint64_t) { subject(); }},
             .yardstick = {"arrays", [&](std::uint64_t) { yardstick(); }},
             .count = 1,
             .rounds = kRounds});
  };
  compare_once(
      "read a file, and save its edges", [&] { client.call(patient->load("edges.txt", kParts)); },
      [&] { keep(read_in_arrays(text)); });
  compare_once("PageRank", [&] { client.call(patient->rank()); }, [&] { keep(rank_in_arrays(edges, vertices)); });
  compare_once(
      "components", [&] { client.call(patient->find_components()); },
      [&] { keep(find_components_in_arrays(edges, vertices)); });

  const std::vector<double> ranks = rank_in_arrays(edges, vertices);
  check_ranks(client, graph, ranks);
  check_components(client, graph, ranks, find_components_in_arrays(edges, vertices));
}
