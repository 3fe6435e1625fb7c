// SPDX-License-Identifier: Apache-2.0
// metrics: families of samples as prometheus-cpp's core writes them.
#pragma once

#include <prometheus/metric_family.h>

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "culvert/observe.h"

namespace culvert {

using Label = prometheus::ClientMetric::Label;

class Families {
 public:
  // Samples added from now on belong to this family.
  void counter(std::string name, std::string help);
  void gauge(std::string name, std::string help);
  void histogram(std::string name, std::string help);

  void add(std::vector<Label> labels, double value);
  void add(std::vector<Label> labels, std::uint64_t value) {
    add(std::move(labels), static_cast<double>(value));
  }
  // `counts` by bucket, not cumulated, one more than `bounds_s`: the last is +Inf.
  void add_histogram(std::span<const double> bounds_s, std::span<const std::uint64_t> counts,
                     double sum_s);
  std::string text() const;

 private:
  std::vector<prometheus::MetricFamily> families_;
};

inline Label label(std::string name, std::string_view value) {
  return {std::move(name), std::string(value)};
}

// Istio's four TCP metrics.
void add_traffic(Families &families, std::span<const ThreadReport> reports);
// What each policy decided, and what dry-run policies would have.
void add_policies(Families &families, const MetricsInput &input);

}  // namespace culvert
