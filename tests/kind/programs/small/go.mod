module opendatahub.io/model-registry-kind/small

go 1.24.6
