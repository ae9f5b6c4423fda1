// Jobs on simulated nodes that crash, pause and lose each other. `epic test` runs a few seeds, `epic simulate` as many
// as you like.

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <epic/sim.hpp>

#include "graph.hpp"
#include "plain_graph.hpp"

using epic::sim::Fabric;

namespace {

// A read that the disk has failed may be repeated, too.
epic::Task<> load(Fabric& fabric, epic::Ref<Graph> graph) {
  for (bool is_loaded = false; !is_loaded;) {
    try {
      co_await fabric.insist([&] { return graph->load("edges.txt", 4); });
      is_loaded = true;
    } catch (const epic::sim::Violation&) {
      throw;
    } catch (const std::runtime_error&) {
    }
    co_await fabric.sleep(std::chrono::milliseconds(100));
  }
}

}  // namespace

EPIC_SCENARIO("graph: ranks and components are those of the array program, whatever fails",
              {.nodes = 4, .fault_every = std::chrono::seconds(1)}) {
  const EdgePairs edges = make_edges(60, 120, fabric.seed());
  fabric.put_file("edges.txt", text_of(edges));
  const auto graph = fabric.get<Graph>("test");
  co_await load(fabric, graph);
  co_await fabric.insist([&] { return graph->rank(); });
  const auto count = co_await fabric.insist([&] { return graph->find_components(); });
  co_await fabric.settle();

  for (const auto& [vertex, rank] : rank_plainly(edges)) {
    const auto found = co_await fabric.insist([&] { return graph->get_rank(vertex); });
    fabric.require(graph, found && std::abs(*found - rank) < 1e-9, "the rank of {} is {}, not {}", vertex,
                   found.value_or(-1), rank);
  }
  std::int64_t expected = 0;
  for (const auto& [vertex, component] : find_components_plainly(edges)) {
    const auto found = co_await fabric.insist([&] { return graph->get_component(vertex); });
    fabric.require(graph, found == component, "{} is in component {}, not {}", vertex, found.value_or(0), component);
    if (vertex == component) ++expected;
  }
  fabric.require(graph, count == expected, "{} components, not {}", count, expected);
}
