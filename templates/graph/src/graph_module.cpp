// What the nodes load: the entity classes, and the small web that comes with the project.

#include <epic/epic.hpp>
#include <stdexcept>

#include "graph.hpp"
#include "partition.hpp"
#include "worker.hpp"

// Runs at each `epic run`, and again on another node if its node dies before it returns. What was computed is not
// computed again.
epic::Task<void> setup(epic::Pool pool) {
  const auto web = pool.get<Graph>("web");
  Summary summary = co_await web->get_summary();
  if (summary.parts == 0) {
    try {
      summary = co_await web->load("web.txt", 8);
    } catch (const epic::Error&) {
      throw;
    } catch (const std::runtime_error& error) {
      epic::log::warn("Nothing is loaded: {}", error.what());
      co_return;
    }
  }
  if (summary.top.empty()) summary.top = co_await web->rank();
  if (summary.components == 0) summary.components = co_await web->find_components();
  epic::log::info("{} vertices, {} edges, {} components. Vertex {} has the highest rank: {:.4f}.", summary.vertices,
                  summary.edges, summary.components, summary.top.at(0).vertex, summary.top.at(0).value);
}

EPIC_MODULE(setup, Graph, Partition, Worker)
