//! DHCP option sets.

use openvpc_control::{dhcp, vpcs};
use openvpc_model::{DhcpOptions, DhcpOptionsId, VpcId};

use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(AssociateDhcpOptions, associate_dhcp_options),
    action!(CreateDhcpOptions, create_dhcp_options),
    action!(DeleteDhcpOptions, delete_dhcp_options),
    action!(DescribeDhcpOptions, describe_dhcp_options),
];

/// The id that stands for no set at all.
const NO_SET: &str = "default";

fn create_dhcp_options(
    ctx: &Ctx<'_>,
    request: shapes::CreateDhcpOptionsRequest,
) -> Result<shapes::CreateDhcpOptionsResult, ApiError> {
    let tags = tagging::on_create(&request.tag_specifications, "dhcp-options")?;
    let option = |option: shapes::NewDhcpConfiguration| Ok((ids::required(&option.key, "Key")?.to_owned(), option.values));
    let options = request.dhcp_configurations.into_iter().map(option).collect::<Result<_, ApiError>>()?;
    let options = ctx.mutate(|tx| {
        let id = dhcp::create(tx, options, tags)?;
        tx.find::<DhcpOptions>(&id)
    })?;
    Ok(shapes::CreateDhcpOptionsResult { dhcp_options: Some(options_shape(&options)) })
}

fn delete_dhcp_options(ctx: &Ctx<'_>, request: shapes::DeleteDhcpOptionsRequest) -> Result<Done, ApiError> {
    let id: DhcpOptionsId = ids::parse_required(&request.dhcp_options_id, "DhcpOptionsId")?;
    ctx.mutate(|tx| dhcp::delete(tx, id))?;
    Ok(Done)
}

fn associate_dhcp_options(ctx: &Ctx<'_>, request: shapes::AssociateDhcpOptionsRequest) -> Result<Done, ApiError> {
    let vpc: VpcId = ids::parse_required(&request.vpc_id, "VpcId")?;
    let options: Option<DhcpOptionsId> = match ids::required(&request.dhcp_options_id, "DhcpOptionsId")? {
        NO_SET => None,
        id => Some(ids::parse(id)?),
    };
    ctx.mutate(|tx| vpcs::associate_dhcp_options(tx, vpc, options))?;
    Ok(Done)
}

fn describe_dhcp_options(
    ctx: &Ctx<'_>,
    request: shapes::DescribeDhcpOptionsRequest,
) -> Result<shapes::DescribeDhcpOptionsResult, ApiError> {
    let network = ctx.network()?;
    let options = ctx.pick::<DhcpOptions>(&network, &request.dhcp_options_ids)?;
    let options = options.iter().map(|options| options_shape(options)).collect();
    let options = filters::select(options, &request.filters, &DHCP_FIELDS)?;
    let (dhcp_options, next_token) =
        page::cut(&request, !request.dhcp_options_ids.is_empty(), options, |options| options.dhcp_options_id.as_deref())?;
    Ok(shapes::DescribeDhcpOptionsResult { next_token, dhcp_options })
}

static DHCP_FIELDS: Fields<shapes::DhcpOptions> = Fields {
    tags: Some(|options| &options.tags),
    fields: &[
        ("dhcp-options-id", |options, m| m.offer(&options.dhcp_options_id)),
        ("key", |options, m| options.dhcp_configurations.iter().for_each(|option| m.offer(&option.key))),
        ("owner-id", |options, m| m.offer(&options.owner_id)),
        ("value", |options, m| {
            options.dhcp_configurations.iter().flat_map(|option| &option.values).for_each(|value| m.offer(&value.value));
        }),
    ],
};

fn options_shape(options: &DhcpOptions) -> shapes::DhcpOptions {
    let value = |value: &String| shapes::AttributeValue { value: Some(value.clone()) };
    let option = |(key, values): &(String, Vec<String>)| shapes::DhcpConfiguration {
        key: Some(key.clone()),
        values: values.iter().map(value).collect(),
    };
    shapes::DhcpOptions {
        dhcp_options_id: Some(options.id.to_string()),
        owner_id: Some(options.owner.account.to_string()),
        dhcp_configurations: options.options.iter().map(option).collect(),
        tags: tagging::shapes(&options.tags),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::{Value, json};

    use crate::Api;
    use crate::testing::api;

    fn create(api: &Api, options: Value) -> String {
        let answer = api.call_json("CreateDhcpOptions", &json!({ "DhcpConfigurations": options })).unwrap();
        answer["DhcpOptions"]["DhcpOptionsId"].as_str().unwrap().to_owned()
    }

    fn code(api: &Api, options: Value) -> String {
        api.call_json("CreateDhcpOptions", &json!({ "DhcpConfigurations": options })).unwrap_err().code.into_owned()
    }

    fn vpc(api: &Api) -> String {
        let answer = api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap();
        answer["Vpc"]["VpcId"].as_str().unwrap().to_owned()
    }

    fn options_of(api: &Api, vpc: &str) -> String {
        let answer = api.call("DescribeVpcs", &[("VpcId.1", vpc)]).unwrap();
        answer["Vpcs"][0]["DhcpOptionsId"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_set_is_shown_as_it_was_given() {
        let api = api();
        let options = json!([
            {"Key": "domain-name", "Values": ["corp.example"]},
            {"Key": "domain-name-servers", "Values": ["10.2.5.1", "10.2.5.2"]},
            {"Key": "ntp-servers", "Values": ["169.254.169.123", "fd00:ec2::123"]},
            {"Key": "netbios-node-type", "Values": ["2"]},
        ]);
        let id = create(&api, options);
        let answer = api.call("DescribeDhcpOptions", &[("DhcpOptionsId.1", &id)]).unwrap();
        let set = &answer["DhcpOptions"][0];
        assert_eq!(set["OwnerId"], "123456789012");
        assert_eq!(
            set["DhcpConfigurations"][1],
            json!({"Key": "domain-name-servers", "Values": [{"Value": "10.2.5.1"}, {"Value": "10.2.5.2"}]})
        );
        let by_value = api.call("DescribeDhcpOptions", &[("Filter.1.Name", "value"), ("Filter.1.Value.1", "corp.*")]).unwrap();
        assert_eq!(by_value["DhcpOptions"].as_array().unwrap().len(), 1);
        let all = api.call("DescribeDhcpOptions", &[]).unwrap();
        assert_eq!(all["DhcpOptions"].as_array().unwrap().len(), 2, "the region's own set is there as well");
    }

    #[test]
    fn the_region_s_set_has_its_domain() {
        let answer = api().call("DescribeDhcpOptions", &[]).unwrap();
        let domain = &answer["DhcpOptions"][0]["DhcpConfigurations"][0];
        assert_eq!(*domain, json!({"Key": "domain-name", "Values": [{"Value": "ec2.internal"}]}));
        let servers = &answer["DhcpOptions"][0]["DhcpConfigurations"][1];
        assert_eq!(*servers, json!({"Key": "domain-name-servers", "Values": [{"Value": "AmazonProvidedDNS"}]}));
    }

    #[test]
    fn what_an_option_doesn_t_take_is_refused() {
        let api = api();
        let servers = |n: usize| (1..=n).map(|i| format!("10.0.0.{i}")).collect::<Vec<_>>();
        for options in [
            json!([{"Key": "colour", "Values": ["red"]}]),
            json!([{"Key": "domain-name-servers", "Values": servers(5)}]),
            json!([{"Key": "ntp-servers", "Values": servers(9)}]),
            json!([{"Key": "netbios-name-servers", "Values": ["nbns.example"]}]),
            json!([{"Key": "netbios-node-type", "Values": ["3"]}]),
            json!([{"Key": "domain-name", "Values": ["a"]}, {"Key": "domain-name", "Values": ["b"]}]),
        ] {
            assert_eq!(code(&api, options.clone()), "InvalidParameterValue", "{options}");
        }
        assert_eq!(api.code("CreateDhcpOptions", &[]), "MissingParameter");
    }

    #[test]
    fn a_vpc_changes_its_set_and_gives_it_up_with_default() {
        let api = api();
        let vpc = vpc(&api);
        let region_s = options_of(&api, &vpc);
        assert!(region_s.starts_with("dopt-"));
        let id = create(&api, json!([{"Key": "domain-name", "Values": ["x"]}]));
        api.call("AssociateDhcpOptions", &[("DhcpOptionsId", &id), ("VpcId", &vpc)]).unwrap();
        assert_eq!(options_of(&api, &vpc), id);
        assert_eq!(api.code("DeleteDhcpOptions", &[("DhcpOptionsId", &id)]), "DependencyViolation");
        api.call("AssociateDhcpOptions", &[("DhcpOptionsId", "default"), ("VpcId", &vpc)]).unwrap();
        assert_eq!(options_of(&api, &vpc), "default");
        api.call("DeleteDhcpOptions", &[("DhcpOptionsId", &id)]).unwrap();
        assert_eq!(api.code("DescribeDhcpOptions", &[("DhcpOptionsId.1", &id)]), "InvalidDhcpOptionID.NotFound");
        assert_eq!(api.code("AssociateDhcpOptions", &[("DhcpOptionsId", &id), ("VpcId", &vpc)]), "InvalidDhcpOptionID.NotFound");
        assert_eq!(api.code("DeleteDhcpOptions", &[("DhcpOptionsId", "dopt-x")]), "InvalidDhcpOptionID.Malformed");
    }
}
