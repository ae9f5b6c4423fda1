#include <fmt/core.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <epic/script.hpp>
#include <epic/testing.hpp>

#include "graph.hpp"
#include "partition.hpp"
#include "plain_graph.hpp"
#include "worker.hpp"

using namespace std::chrono_literals;
using epic::testing::calls;
using epic::testing::Node;
using epic::testing::Script;

TEST_CASE("edge list: is cut into parts, by both ends of an edge") {
  const EdgeList list = read_edges("# a comment\n0 5\r\n \t\n5\t3\n  # another\n 7 7 ", 3);
  CHECK(list.edges == 3);
  CHECK(list.vertices == 4);
  CHECK(list.parts[0].out.ends == std::vector<std::uint32_t>{0});
  CHECK(list.parts[0].out.others == std::vector<std::uint32_t>{5});
  CHECK(list.parts[0].in.others == std::vector<std::uint32_t>{5});  // 5 → 3
  CHECK(list.parts[2].out.ends == std::vector<std::uint32_t>{1});
  CHECK(list.parts[1].in.ends == std::vector<std::uint32_t>{2});
}

TEST_CASE("edge list: what is not an edge is refused, with its line") {
  const std::string why = "is not an edge: two numbers up to 100000000 are expected";
  CHECK_THROWS_WITH(read_edges("0 1\n2\n", 1), "line 2 " + why);
  CHECK_THROWS_WITH(read_edges("0 1 2\n", 1), "line 1 " + why);
  CHECK_THROWS_WITH(read_edges("0 -1\n", 1), "line 1 " + why);
  CHECK_THROWS_WITH(read_edges("0 100000001\n", 1), "line 1 " + why);
  CHECK_THROWS_WITH(read_edges("0,1\n", 1), "line 1 " + why);
  CHECK_THROWS_WITH(read_edges("# nothing\n", 1), "there are no edges");
}

TEST_CASE("edge list: a graph that needs more partitions is refused") {
  CHECK(read_edges("0 1000000\n", 3).edges == 1);
  CHECK_THROWS_WITH(read_edges("0 1000000\n", 2), "2 partitions are too few for 1 edges of vertices up to 1000000");
}

TEST_CASE("links: a part sends one message to a vertex") {
  Part part;
  part.out = {.ends = {0, 1, 0}, .others = {4, 4, 5}};
  const Links links(part, 2, false);
  const std::vector<double> values = {1, 2};
  const auto batches = links.collect([&](std::uint32_t vertex) { return &values[vertex]; }, std::plus());
  REQUIRE(batches.size() == 2);
  CHECK(batches[0].vertices == std::vector<std::uint32_t>{2});
  CHECK(batches[0].values == std::vector<double>{3});
  CHECK(batches[1].vertices == std::vector<std::uint32_t>{2});
  CHECK(batches[1].values == std::vector<double>{1});
  CHECK(links.edges_of(0) == 2);
}

TEST_CASE("worker: does not take part in a job that it has not begun") {
  Script<Worker> worker("web-0");
  CHECK_THROWS_WITH(worker.call<&Worker::scatter>(3, 1).result(), "Worker/web-0 does not know job 3");
  auto begun = worker.call<&Worker::begin>(Job{.graph = "web", .number = 4, .parts = 1, .vertices = 2}, 0u);
  worker.expect(calls<&Partition::get_part>("Partition/web-0"))
      .answer(Part{.out = {.ends = {0}, .others = {1}}, .in = {.ends = {1}, .others = {0}}});
  CHECK(begun.result().dangling == 0.5);
  CHECK_THROWS_AS(worker.call<&Worker::receive>(3, 1, 0u, Batch{}).result(), std::runtime_error);
  CHECK_THROWS_WITH(worker.call<&Worker::begin>(Job{.graph = "web", .number = 3}, 0u).result(), "job 3 is over");
}

TEST_CASE("graph: ranks and components are those of the array program") {
  const EdgePairs edges = make_edges(300, 700, 5);
  Node node;
  node.put_file("edges.txt", text_of(edges));
  const auto graph = node.get<Graph>("test");
  CHECK_THROWS_WITH(node.call(graph->rank()), "nothing is loaded into Graph/test");
  const Summary summary = node.call(graph->load("edges.txt", 5));
  CHECK(summary.edges == 700);

  const auto ranks = rank_plainly(edges);
  CHECK(summary.vertices == std::ssize(ranks));
  const auto top = node.call(graph.with(10min)->rank());
  REQUIRE(top.size() == 10);
  for (const auto& [vertex, rank] : ranks) {
    const auto found = node.call(graph->get_rank(vertex));
    REQUIRE(found);
    CHECK(std::abs(*found - rank) < 1e-9);
    CHECK(rank <= top[0].value + 1e-9);
  }

  const auto components = find_components_plainly(edges);
  std::int64_t count = 0;
  const auto found = node.call(graph.with(10min)->find_components());
  for (const auto& [vertex, component] : components) {
    CHECK(node.call(graph->get_component(vertex)) == component);
    if (vertex == component) ++count;
  }
  CHECK(found == count);
  CHECK(count >= 3);
  CHECK(node.call(graph->get_rank(300)) == std::nullopt);
}

TEST_CASE("graph: results survive a crash, and another file replaces them") {
  Node node;
  node.put_file("edges.txt", "0 1\n2 3\n");
  node.put_file("more.txt", "0 1\n1 2\n2 3\n");
  const auto graph = node.get<Graph>("test");
  node.call(graph->load("edges.txt", 2));
  CHECK(node.call(graph->find_components()) == 2);
  node.crash();
  CHECK(node.call(graph->get_component(3)) == 2);
  CHECK(node.call(graph->find_components()) == 2);

  node.call(graph->load("more.txt", 3));
  CHECK(node.call(graph->get_component(3)) == std::nullopt);
  CHECK(node.call(graph->find_components()) == 1);
  node.call(graph->load("edges.txt", 2));
  CHECK(node.call(node.get<Partition>("test-2")->get_part()).out.ends.empty());  // was used before
  CHECK_THROWS_WITH(node.call(graph->load("more.txt", 0)), "a graph has 1 to 256 partitions");
  node.put_file("bad.txt", "0 1\nx\n");
  CHECK_THROWS_WITH(node.call(graph->load("bad.txt", 1)), Catch::StartsWith("bad.txt: line 2 is not an edge"));
  CHECK(node.call(graph->get_summary()).file == "edges.txt");
}

TEST_CASE("setup: ranks the small web, once") {
  Node node;
  node.run_setup();
  CHECK(node.log().back().message.starts_with("Nothing is loaded: "));

  node.put_file("web.txt", "1 0\n2 0\n3 0\n4 5\n");
  node.run_setup();
  const std::string first = node.log().back().message;
  CHECK(first.starts_with("6 vertices, 4 edges, 2 components. Vertex 0 has the highest rank: 0."));
  node.restart();
  node.run_setup();
  CHECK(node.log().back().message == first);
  CHECK(node.call(node.get<Graph>("web")->get_summary()).jobs == 2);
}
