// SPDX-License-Identifier: Apache-2.0
#include "identity_classes.h"

namespace culvert {

Atom StringAtoms::add(const StringMatch &match, Atom next) {
  if (match.form == StringMatch::Form::present) {
    if (!present_) present_ = next;
    return *present_;
  }
  const auto form = static_cast<std::size_t>(match.form);
  sizes_[form].insert(match.text.size());
  return tables_[form].emplace(match.text, next).first->second;
}

void StringAtoms::find(const Table &table, std::string_view text, std::vector<Atom> &out) {
  const auto found = table.find(text);
  if (found != table.end()) out.push_back(found->second);
}

void StringAtoms::true_of(std::string_view text, std::vector<Atom> &out) const {
  find(tables_[0], text, out);
  for (const std::size_t size : sizes_[1]) {
    if (size <= text.size()) find(tables_[1], text.substr(0, size), out);
  }
  for (const std::size_t size : sizes_[2]) {
    if (size <= text.size()) find(tables_[2], text.substr(text.size() - size), out);
  }
  if (present_) out.push_back(*present_);
}

Atom IdentityClasses::atom(Attribute attribute, const StringMatch &match) {
  const Atom atom = strings_[static_cast<std::size_t>(attribute)].add(match, atoms_);
  if (atom == atoms_) ++atoms_;
  return atom;
}

std::vector<Atom> IdentityClasses::true_of(const SpiffeId &id) const {
  const IdentityNames names = IdentityNames::of(id);
  std::string account;
  if (!names.ns.empty() && !strings_[2].empty()) {
    account.append(names.ns).append("/").append(names.account);
  }
  const std::array<std::string_view, attributes> texts{names.principal, names.ns, account,
                                                       names.trust_domain};
  std::vector<Atom> out;
  for (std::size_t attribute = 0; attribute < attributes; ++attribute) {
    if (!texts[attribute].empty()) strings_[attribute].true_of(texts[attribute], out);
  }
  std::ranges::sort(out);
  return out;
}

// Those of whom any atom may be true, by number.
std::vector<bool> IdentityClasses::named(const IdentityNumbers &known) const {
  const bool all = !std::ranges::all_of(strings_, &StringAtoms::only_exact);
  std::vector<bool> out(known.size() + 1, all);
  if (all) return out;
  const auto mark = [&](const auto &numbers) {
    for (const std::uint32_t number : numbers)
      out[number] = true;
  };
  strings_[0].each_exact([&](const std::string &text) {
    if (const auto number = known.with_principal(text)) out[*number] = true;
  });
  strings_[1].each_exact([&](const std::string &text) { mark(known.in_namespace(text)); });
  strings_[2].each_exact([&](const std::string &text) { mark(known.with_service_account(text)); });
  strings_[3].each_exact([&](const std::string &text) { mark(known.in_trust_domain(text)); });
  return out;
}

// Plaintext is of whom no atom is true; so is everyone whom nothing names. Class 0, which is not
// listed, is what most are.
bool IdentityClasses::number(const IdentityNumbers &known, Work &work,
                             std::vector<CompiledPolicy::IdentityClass> &out) {
  predicates.seal();
  const std::vector<bool> named = this->named(known);
  std::vector<std::uint32_t> signature, count(1, 1);  // plaintext
  classes_.add(signature);
  out.clear();
  for (std::uint32_t identity = 1; identity <= known.size(); ++identity) {
    if (!named[identity]) {
      ++count[0];
      continue;
    }
    if (!work.spend(1 + predicates.signature(true_of(*known.identity(identity)), signature))) {
      return false;
    }
    const auto [number, is_new] = classes_.add(signature);
    if (is_new) count.push_back(0);
    ++count[number];
    if (number != 0) out.push_back({identity, number});
  }
  const auto most = static_cast<std::uint32_t>(std::ranges::max_element(count) - count.begin());
  if (most == 0) return true;
  classes_.exchange(0, most);
  std::vector<std::uint32_t> numbers(known.size() + 1, most);
  for (const auto &[identity, number] : out)
    numbers[identity] = number == most ? 0 : number;
  out.clear();
  for (std::uint32_t identity = 0; identity <= known.size(); ++identity) {
    if (numbers[identity] != 0) out.push_back({identity, numbers[identity]});
  }
  return true;
}

std::optional<std::uint32_t> IdentityClasses::classify(const SpiffeId &id) const {
  std::vector<std::uint32_t> signature;
  predicates.signature(true_of(id), signature);
  return classes_.find(signature);
}

}  // namespace culvert
