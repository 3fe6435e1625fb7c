# SPDX-License-Identifier: Apache-2.0
culvert_fuzz(manifest SOURCES manifest_fuzz.cc USES source)
