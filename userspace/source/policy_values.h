// SPDX-License-Identifier: Apache-2.0
// The values of a policy's conditions: strings with a star, service accounts, address blocks,
// ports.
#pragma once

#include <string>
#include <vector>

#include "culvert/policy_set.h"
#include "culvert/source.h"
#include "fields.h"

namespace culvert {

// The trust domain and its aliases are one: what names one of them, or `cluster.local`, names all.
class TrustDomains {
 public:
  explicit TrustDomains(const MeshSettings &mesh);
  // What `written`, a principal or a trust domain with or without a star, stands for.
  std::vector<std::string> of_principal(const std::string &written) const;
  std::vector<std::string> of_trust_domain(const std::string &written) const;

 private:
  std::vector<std::string> expand(const std::string &trust_domain, const std::string &rest) const;
  std::vector<std::string> names_;
};

struct ValueContext {
  std::string ns;  // the policy's: a service account without a namespace is in it
  TrustDomains trust_domains;
};

// A list of values, at least one, as one condition. The first bad value is the error of all: a list
// without it would say something else.
Field<Condition> read_condition(const YamlNode &list, Attribute attribute, bool negated,
                                const ValueContext &context);

}  // namespace culvert
