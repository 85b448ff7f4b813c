//! Requests of REST services that speak XML: method, path, query string and body as the same tree that the query protocol's
//! requests are read as.

use crate::client::Element;
use crate::error::ApiError;
use crate::http::Request;
use crate::query::Node;
use crate::table::{Model, Route, Shape};

/// The longest body that is read.
const MAX_BYTES: usize = 4 << 20;

/// The operation that a request is for, and where it lives.
///
/// # Errors
/// `UnknownOperationException` when there is none.
pub fn route(model: &Model, request: &Request) -> Result<(&'static Route, Vec<String>), ApiError> {
    let path = segments(&request.path);
    let found = model.routes.iter().filter(|route| route.method == request.method).find_map(|route| {
        let labels = fit(route.path, &path)?;
        Some((route, labels))
    });
    found.ok_or_else(|| {
        let message = format!("{} {} is not an operation that openvpc serves.", request.method, request.path);
        ApiError { status: 404, ..ApiError::new("UnknownOperationException", message) }
    })
}

/// The members of a request, by their names.
///
/// # Errors
/// `InvalidInput` for a body that isn't the operation's.
pub fn read(model: &Model, route: &Route, labels: Vec<String>, request: &Request) -> Result<Node, ApiError> {
    let mut members = Vec::new();
    for (name, value) in names(route.path).zip(labels) {
        if let Some((_, member)) = route.labels.iter().find(|(label, _)| *label == name) {
            members.push(Node::leaf(member, value));
        }
    }
    for (name, value) in form_urlencoded::parse(request.query.as_bytes()) {
        if let Some((_, member)) = route.query.iter().find(|(parameter, _)| *parameter == name) {
            members.push(Node::leaf(member, value.into_owned()));
        }
    }
    if request.body.len() > MAX_BYTES {
        return Err(ApiError::new("RequestEntityTooLarge", format!("A request has at most {MAX_BYTES} bytes.")));
    }
    let shape = model.operation(route.operation).and_then(|operation| operation.request).map(|number| model.shape(number));
    if let (Some(Shape::Structure(_)), false) = (shape, request.body.is_empty()) {
        let text = std::str::from_utf8(&request.body).map_err(|_| invalid("The body is not UTF-8."))?;
        let root = Element::parse(text).map_err(|error| invalid(&format!("Invalid XML: {error}")))?;
        members.extend(children(model, shape.unwrap_or(&Shape::String), &root, "")?);
    }
    Node::tree("", members)
}

/// An error of the query protocol's words in a REST service's.
pub fn in_rest_words(error: ApiError) -> ApiError {
    match &*error.code {
        "InvalidParameterValue" | "MissingParameter" | "UnknownParameter" | "MalformedQueryString" => {
            ApiError::new("InvalidInput", format!("Invalid request: {}", error.message))
        }
        _ => error,
    }
}

fn children(model: &Model, shape: &Shape, element: &Element, path: &str) -> Result<Vec<Node>, ApiError> {
    let mut nodes = Vec::new();
    match shape {
        Shape::Structure(members) => {
            for child in &element.children {
                let known = members.iter().find(|member| member.xml == child.name);
                let member = known.ok_or_else(|| invalid(&format!("Invalid request: unexpected element {}", child.name)))?;
                nodes.push(node(model, model.shape(member.shape), child, &join(path, member.name))?);
            }
        }
        Shape::List { item, .. } => {
            for (at, child) in element.children.iter().enumerate() {
                nodes.push(node(model, model.shape(*item), child, &join(path, &(at + 1).to_string()))?);
            }
        }
        _ => {}
    }
    Ok(nodes)
}

fn node(model: &Model, shape: &Shape, element: &Element, path: &str) -> Result<Node, ApiError> {
    match shape {
        Shape::Structure(_) | Shape::List { .. } => Node::tree(path, children(model, shape, element, path)?),
        _ if element.children.is_empty() => Ok(Node::leaf(path, element.text.clone())),
        _ => Err(invalid(&format!("Invalid request: {path} is one value"))),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The parts of a path, decoded; an empty one at the end is none.
fn segments(path: &str) -> Vec<String> {
    path.trim_matches('/').split('/').map(decode).collect()
}

/// The values of a template's labels, if the path is one of its.
fn fit(template: &str, path: &[String]) -> Option<Vec<String>> {
    let template: Vec<&str> = template.trim_matches('/').split('/').collect();
    if template.len() != path.len() {
        return None;
    }
    let mut labels = Vec::new();
    for (wanted, part) in template.iter().zip(path) {
        match wanted.starts_with('{') {
            true if part.is_empty() => return None,
            true => labels.push(part.clone()),
            false if wanted != part => return None,
            false => {}
        }
    }
    Some(labels)
}

/// The names of a template's labels.
fn names(template: &str) -> impl Iterator<Item = &str> {
    template.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// Takes `%41` apart. What is no UTF-8 then fits no name that there is.
fn decode(part: &str) -> String {
    let (mut octets, mut rest) = (Vec::with_capacity(part.len()), part.as_bytes());
    while let [first, tail @ ..] = rest {
        rest = tail;
        let pair = tail.get(..2).filter(|_| *first == b'%').and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(octet) => {
                octets.push(octet);
                rest = &tail[2..];
            }
            None => octets.push(*first),
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

fn invalid(message: &str) -> ApiError {
    ApiError::new("InvalidInput", message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;
    use crate::generated::route53::shapes;
    use crate::generated::route53::table::MODEL;
    use crate::query::FromQuery;

    fn request(method: &str, target: &str, body: &str) -> Request {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Request { method: method.into(), path: path.into(), query: query.into(), body: body.into(), ..Request::default() }
    }

    fn members<T: FromQuery>(request: &Request) -> Result<(&'static str, T), ApiError> {
        let (route, labels) = route(&MODEL, request)?;
        let node = read(&MODEL, route, labels, request)?;
        Ok((route.operation, T::from_query(node).map_err(in_rest_words)?))
    }

    #[test]
    fn a_request_is_known_by_its_method_and_path() {
        for (method, target, operation) in [
            ("GET", "/2013-04-01/hostedzone/Z1", "GetHostedZone"),
            ("POST", "/2013-04-01/hostedzone/Z1", "UpdateHostedZoneComment"),
            ("GET", "/2013-04-01/hostedzone/Z1/rrset", "ListResourceRecordSets"),
            ("POST", "/2013-04-01/hostedzone/Z1/rrset/", "ChangeResourceRecordSets"),
            ("GET", "/2013-04-01/hostedzone", "ListHostedZones"),
            ("DELETE", "/2013-04-01/hostedzone/%2Fhostedzone%2FZ1", "DeleteHostedZone"),
        ] {
            assert_eq!(route(&MODEL, &request(method, target, "")).unwrap().0.operation, operation);
        }
        for target in ["/", "/2013-04-01/nothing", "/2013-04-01/hostedzone//rrset"] {
            assert_eq!(route(&MODEL, &request("GET", target, "")).unwrap_err().code, "UnknownOperationException");
        }
    }

    #[test]
    fn members_come_from_the_path_the_query_string_and_the_body() {
        let asked = request("GET", "/2013-04-01/hostedzone/Z1/rrset?name=a.b&type=A&maxitems=3&x=y", "");
        let (_, list) = members::<shapes::ListResourceRecordSetsRequest>(&asked).unwrap();
        assert_eq!((list.hosted_zone_id.as_deref(), list.start_record_name.as_deref()), (Some("Z1"), Some("a.b")));
        let body = "<?xml version=\"1.0\"?><ChangeTagsForResourceRequest xmlns=\"x\"> <AddTags><Tag><Key>k</Key><Value/></Tag></AddTags>\
                    <RemoveTagKeys><Key>a</Key><Key>b</Key></RemoveTagKeys></ChangeTagsForResourceRequest>";
        let (_, change) =
            members::<shapes::ChangeTagsForResourceRequest>(&request("POST", "/2013-04-01/tags/hostedzone/Z1", body)).unwrap();
        assert_eq!(change.remove_tag_keys, ["a", "b"]);
        assert_eq!(change.add_tags, [shapes::Tag { key: Some("k".into()), value: Some(String::new()) }]);
    }

    #[test]
    fn a_body_that_isn_t_the_operation_s_is_invalid() {
        let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
        for body in ["<a", "<a><b/></a>", "<a><Name><b/></Name></a>", "<a><Name>a</Name></a>", "\u{0}", &deep] {
            let outcome = members::<shapes::CreateHostedZoneRequest>(&request("POST", "/2013-04-01/hostedzone", body));
            assert_eq!(outcome.unwrap_err().code, "InvalidInput");
        }
    }

    proptest! {
        #[test]
        fn no_request_makes_the_reader_panic(target in "(/[a-z0-9%-]{0,12}){0,6}", body in "(<[a-zA-Z/]{1,8}>|[&;x]){0,20}") {
            let _ = members::<shapes::ChangeResourceRecordSetsRequest>(&request("POST", &target, &body));
            let _ = members::<shapes::CreateHostedZoneRequest>(&request("POST", "/2013-04-01/hostedzone", &body));
        }
    }
}
